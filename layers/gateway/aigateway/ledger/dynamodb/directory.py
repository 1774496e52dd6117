"""Keys, providers, access rules and the published snapshot."""

import asyncio
import json
import secrets
import zlib
from collections.abc import Awaitable
from dataclasses import fields
from datetime import datetime
from typing import Any

from aigateway.caller.access import Rule, rule_from
from aigateway.caller.people import Key, User
from aigateway.clock import from_micros, micros
from aigateway.errors import (
    AuthUnavailable,
    Conflict,
    RecorderUnavailable,
    SnapshotUnreadable,
)
from aigateway.ledger.dynamodb.audit import entry_put
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.dynamodb.people import attributes, user_from
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.dynamodb.table import KEYS, LOOKUP
from aigateway.ledger.expressions import ABSENT, Condition, Item, Put, Update
from aigateway.ledger.items import key_text, user_partition
from aigateway.ledger.store import AccessRules, AuditEntry, Published, ReloadState
from aigateway.ledger.texts import CHUNK_BYTES
from aigateway.pool.providers import ProviderRow

CURRENT = ("SNAP", "CURRENT")
ACCESS = ("CFG", "ACCESS")
VERSIONS_KEPT = 3
LATER_USE = "attribute_exists(#pk) AND (attribute_not_exists(#last_used_at) OR #last_used_at < :at)"


class DynamoDirectory(Ground):
    """What people and the reload configure. Nothing here ever expires."""

    async def key(self, key_id: str) -> tuple[Key, User] | None:
        try:
            item = await self._table.read(_key_place(key_id))
            owner = None if item is None else await self._table.read(("USER", item["user_id"]))
        except RecorderUnavailable as fault:
            raise AuthUnavailable(*fault.args) from fault
        return None if item is None or owner is None else (_key(item), user_from(owner))

    async def keys(self, user_id: str | None = None) -> tuple[Key, ...]:
        owners = [user_id]
        if user_id is None:
            owners = [item["sk"] for item in await self._table.all(Range("USER"))]
        index = (LOOKUP, *KEYS[LOOKUP])
        ranges = [Range(user_partition(owner), "K#", "K#~", index) for owner in owners if owner]
        found = await asyncio.gather(*(self._table.all(each) for each in ranges))
        places = [(str(item["pk"]), str(item["sk"])) for items in found for item in items]
        keys = [_key(item) for item in (await self._table.read_many(places)).values()]
        return tuple(sorted(keys, key=lambda key: (key.created_at, key.id)))

    async def put_key(self, key: Key) -> None:
        pk, sk = _key_place(key.id)
        index = {"g2pk": user_partition(key.user_id), "g2sk": f"K#{key.id}"}
        await self._table.put(Put(attributes(key) | {"pk": pk, "sk": sk} | index))

    async def key_used(self, key_id: str, at: datetime) -> None:
        later = Condition(LATER_USE, {"at": micros(at)})
        used = Update(*_key_place(key_id), sets={"last_used_at": micros(at)}, condition=later)
        await self._unless_refused(self._table.update(used))

    async def provider_rows(self, *, deleted: bool = False) -> tuple[ProviderRow, ...]:
        items = await self._table.all(Range("PROV"))
        rows = (ProviderRow.read(item["sk"], item["document"], item["ve"]) for item in items)
        return tuple(row for row in rows if deleted or not row.is_deleted)

    async def put_provider(
        self, row: ProviderRow, previous: int | None, entry: AuditEntry | None = None
    ) -> None:
        condition = ABSENT if previous is None else Condition("#ve = :before", {"before": previous})
        item = {"pk": "PROV", "sk": row.name, "document": json.dumps(row.document)}
        put = Put(item | {"ve": row.version}, condition)
        otherwise = "the provider was changed by somebody else"
        if entry is None:
            await self._put_or_conflict(put, otherwise)
            return
        both = self._table.transact([put, entry_put(entry)], secrets.token_hex(16))
        await self._or_conflict(both, otherwise)

    async def access_rules(self) -> AccessRules:
        item = await self._table.read(ACCESS)
        if item is None:
            return AccessRules(0, ())
        return AccessRules(item["ve"], tuple(map(rule_from, json.loads(item["rules"]))))

    async def put_access_rules(self, rules: tuple[Rule, ...], previous: int) -> None:
        condition = Condition("#ve = :before", {"before": previous}) if previous else ABSENT
        pk, sk = ACCESS
        text = json.dumps([rule.document() for rule in rules], ensure_ascii=False)
        put = Put({"pk": pk, "sk": sk, "ve": previous + 1, "rules": text}, condition)
        await self._put_or_conflict(put, "the access rules were changed by somebody else")

    async def published(self) -> Published | None:
        current = await self._table.read(CURRENT)
        if current is None or "ve" not in current:
            return None
        version, digest = current["ve"], current["digest"]
        parts = await self._table.all(_document_parts(version, digest))
        if len(parts) != current["parts"]:
            raise SnapshotUnreadable(f"a part of version {version} is missing")
        try:
            document = zlib.decompress(b"".join(part["z"] for part in parts))
        except zlib.error:
            raise SnapshotUnreadable(f"version {version} cannot be decompressed") from None
        return Published(version, digest, document)

    async def publish(self, snapshot: Published, previous: int | None) -> None:
        """Write the document, then put it in force; versions before the last three go."""
        text = zlib.compress(snapshot.document, 6)
        chunks = [text[at : at + CHUNK_BYTES] for at in range(0, len(text), CHUNK_BYTES)]
        prefix = _document_prefix(snapshot.version, snapshot.digest)
        parts = [
            Put({"pk": "SNAPDOC", "sk": f"{prefix}{number:04}", "z": chunk})
            for number, chunk in enumerate(chunks)
        ]
        await asyncio.gather(*(self._table.put(part) for part in parts))
        condition = (
            Condition("attribute_not_exists(#ve)")
            if previous is None
            else Condition("#ve = :before", {"before": previous})
        )
        sets = {"ve": snapshot.version, "digest": snapshot.digest, "parts": len(parts)}
        current = Update(*CURRENT, sets=sets, condition=condition)
        await self._or_conflict(self._table.update(current), "another snapshot is in force")
        await self._forget_before(snapshot.version - VERSIONS_KEPT + 1)

    async def _forget_before(self, version: int) -> None:
        old = Range("SNAPDOC", high=f"{max(version, 0):08}")
        keys = [(str(item["pk"]), str(item["sk"])) for item in await self._table.all(old)]
        await asyncio.gather(*(self._table.delete(key) for key in keys))

    async def reload_state(self) -> ReloadState:
        item = await self._table.read(CURRENT) or {}
        times = (_time(item.get("at")), _time(item.get("su")))
        return ReloadState(item.get("ve", 0), item.get("digest", ""), *times)

    async def note_attempt(self, at: datetime) -> None:
        await self._move("at", at)

    async def note_success(self, at: datetime) -> None:
        await self._move("su", at)

    async def _move(self, name: str, at: datetime) -> None:
        """Move a time of the reload, never back."""
        earlier = f"attribute_not_exists(#{name}) OR #{name} < :to"
        later = Condition(earlier, {"to": micros(at)})
        moved = Update(*CURRENT, sets={name: micros(at)}, condition=later)
        await self._unless_refused(self._table.update(moved))

    async def _unless_refused(self, work: Awaitable[object]) -> None:
        """Leave things as they are where the condition does not hold."""
        try:
            await work
        except Refused as refused:
            if not refused.is_condition:
                raise

    async def _put_or_conflict(self, put: Put, otherwise: str) -> None:
        """Put an item. Where it is stored as it is, a try whose reply was lost has done so."""
        try:
            await self._table.put(put)
        except Refused as refused:
            if not refused.is_condition:
                raise
            if not (refused.is_repeat and refused.item == put.item):
                raise Conflict(otherwise) from refused

    async def _or_conflict(self, work: Awaitable[object], otherwise: str) -> None:
        try:
            await work
        except Refused as refused:
            if refused.is_condition or any(
                reason.code == "ConditionalCheckFailed" for reason in refused.reasons
            ):
                raise Conflict(otherwise) from refused
            raise


def _key_place(key_id: str) -> tuple[str, str]:
    return f"K#{key_text(key_id)}", "KEY"


def _document_prefix(version: int, digest: str) -> str:
    return f"{version:08}#{digest}#"


def _document_parts(version: int, digest: str) -> Range:
    prefix = _document_prefix(version, digest)
    return Range("SNAPDOC", prefix, f"{prefix}~")


def _time(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def _key(item: Item) -> Key:
    named: dict[str, Any] = {field.name: item.get(field.name) for field in fields(Key)}
    times = {name: _time(value) for name, value in named.items() if name.endswith("_at")}
    return Key(**named | times)
