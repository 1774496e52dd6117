"""Providers are added, changed and deleted: rows, keys, and who did it, kept in step."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, final
from uuid import uuid4

from aigateway.clock import Clock, time_text
from aigateway.errors import (
    Conflict,
    PoolFault,
    RecorderUnavailable,
    Refusal,
    SecretUnavailable,
    SnapshotUnreadable,
)
from aigateway.ledger.store import AuditEntry, Directory, Published
from aigateway.pool.drafts import FIXED, LABELS, Draft, drafted
from aigateway.pool.key_pairs import references
from aigateway.pool.providers import ProviderRow, SecretRef
from aigateway.pool.secrets import WritableSecrets
from aigateway.pool.snapshot import check
from aigateway.pool.stamps import OF_ROW, provider_id, stamped, unstamped
from aigateway.sessions.bodies import BodyInvalid
from aigateway.sessions.calls import NothingFound
from aigateway.sessions.kick import Kick, ask_for_reload
from aigateway.sessions.provider_checks import ProviderChecks
from aigateway.sessions.provider_view import Document, Statuses, provider_document
from aigateway.sessions.search import Fault
from aigateway.settings import Settings

ATTEMPTS = 3
WHOLE = frozenset({"api_keys", "settings"})
"""Members that a change replaces: what another one did to them at the same time would be lost."""

logger = logging.getLogger(__name__)


@final
class NameTaken(Refusal):
    status, code = 409, "name_taken"


@final
class ChangedMeanwhile(Refusal):
    """Somebody else changed the same row at the same time."""

    status, code = 409, "conflict"


@final
class Configuring:
    """What an admin may do to providers. ``kick`` asks for a reload, and may fail.

    Keys are stored before the row that refers to them, and deleted after the row that did.
    """

    def __init__(
        self,
        directory: Directory,
        secrets: WritableSecrets,
        checks: ProviderChecks,
        clock: Clock,
        settings: Settings,
        kick: Kick,
    ) -> None:
        self._directory = directory
        self._secrets = secrets
        self._checks = checks
        self._clock = clock
        self._settings = settings
        self._kick = kick

    async def all(self) -> list[Document]:
        return await self._shown(await self._directory.provider_rows())

    async def one(self, id_or_name: str) -> Document:
        """Raises ``NothingFound``."""
        (shown,) = await self._shown([await self.row(id_or_name)])
        return shown

    async def row(self, id_or_name: str) -> ProviderRow:
        """Find a provider, by its id before its name. Raises ``NothingFound``."""
        rows = await self._directory.provider_rows()
        by_id = (row for row in rows if provider_id(row.name, row.document) == id_or_name)
        by_name = (row for row in rows if row.name == id_or_name)
        found = next(by_id, None) or next(by_name, None)
        if found is None:
            raise NothingFound("Provider not found.")
        return found

    async def add(self, given: Mapping[str, Any], actor_id: str) -> Document:
        """Raises ``BodyInvalid``, ``NameTaken`` or ``LedgerFault``."""
        draft = drafted(given)
        await self._checks.check(draft, given, None)
        name = str(draft.document["name"])
        rows = await self._directory.provider_rows(deleted=True)
        held = next((row for row in rows if row.name == name), None)
        if held is not None and not held.is_deleted:
            raise NameTaken(f"There is a provider {name} already.")
        document = stamped(draft.document, None, self._clock.now())
        previous = held.version if held is not None else None
        row = ProviderRow(name, document, (previous or 0) + 1)
        try:
            await self._put(row, previous, draft, self._entry("added", row, {}, actor_id))
        except Conflict:
            raise NameTaken(f"There is a provider {name} already.") from None
        return await self.one(name)

    async def change(self, id_or_name: str, given: Mapping[str, Any], actor_id: str) -> Document:
        """Change the members in ``given``. Two changes at once are both made, or one is refused.

        Raises ``NothingFound``, ``BodyInvalid``, ``ChangedMeanwhile`` or ``LedgerFault``.
        """
        if not given:
            raise BodyInvalid([Fault("", "Expected at least one member.")])
        for _ in range(1 if WHOLE & given.keys() else ATTEMPTS):
            row = await self.row(id_or_name)
            draft = drafted(given, row.document)
            await self._checks.check(draft, given, row.document)
            if draft.document == row.document:
                return await self.one(row.name)
            document = stamped(draft.document, row.document, self._clock.now())
            changed = ProviderRow(row.name, document, row.version + 1)
            entry = self._entry("changed", changed, row.document, actor_id)
            try:
                await self._put(changed, row.version, draft, entry)
            except Conflict:
                continue
            return await self.one(row.name)
        raise ChangedMeanwhile("Somebody else changed the provider: look at it again.")

    async def delete(self, id_or_name: str, actor_id: str) -> None:
        """Delete a provider and its keys; its name is free again.

        Raises ``NothingFound``, ``ChangedMeanwhile`` or ``LedgerFault``.
        """
        for _ in range(ATTEMPTS):
            row = await self.row(id_or_name)
            kept = {n: row.document[n] for n in (*FIXED, *LABELS, *OF_ROW) if n in row.document}
            document = kept | {"deleted_at": time_text(self._clock.now())}
            deleted = ProviderRow(row.name, document, row.version + 1)
            entry = self._entry("deleted", deleted, row.document, actor_id)
            draft = Draft(document, {}, tuple(references(row.name, row.document)), {})
            try:
                await self._put(deleted, row.version, draft, entry)
            except Conflict:
                continue
            return
        raise ChangedMeanwhile("Somebody else changed the provider: look at it again.")

    async def _shown(self, rows: Iterable[ProviderRow]) -> list[Document]:
        statuses = Statuses(await self._published(), self._settings)
        return [provider_document(row, statuses, self._settings) for row in rows]

    async def _published(self) -> Published | None:
        """Return what is published; a damaged document, which a reload replaces, is none."""
        try:
            published = await self._directory.published()
            if published is not None:
                check(published.document, published.digest)
        except SnapshotUnreadable:
            return None
        return published

    async def _put(
        self, row: ProviderRow, previous: int | None, draft: Draft, entry: AuditEntry
    ) -> None:
        try:
            await self._secrets.put(draft.keys)
            await self._directory.put_provider(row, previous, entry)
        except SecretUnavailable as fault:
            await self._forget(draft.keys)
            raise RecorderUnavailable(str(fault)) from fault
        except Conflict:
            await self._forget(draft.keys)
            raise
        await ask_for_reload(self._kick)
        await self._forget(draft.removed)

    async def _forget(self, refs: Iterable[SecretRef]) -> None:
        """Delete keys that no row refers to any more. What fails is left, and told."""
        for ref in refs:
            try:
                await self._secrets.remove([ref])
            except PoolFault as fault:
                logger.error(  # noqa: TRY400 - the message says it all
                    "the key %s of provider %s is no longer used and could not be deleted: %s",
                    ref.key_id,
                    ref.provider,
                    fault,
                )

    def _entry(
        self, verb: str, row: ProviderRow, held: Mapping[str, Any], actor_id: str
    ) -> AuditEntry:
        """Return who did what: keys by ids and masks, other members as they were and are."""
        before, after = ({} if not d else unstamped(d) for d in (held, row.document))
        old, new = (references(row.name, document) for document in (held, row.document))
        names = (before.keys() | after.keys()) - {"api_keys"}
        changes = {
            "keys_added": _keys(new - old),
            "keys_removed": _keys(old - new),
            "members": {
                name: [before.get(name), after.get(name)]
                for name in sorted(names)
                if before.get(name) != after.get(name)
            },
        }
        action = f"provider.{verb}"
        return AuditEntry(str(uuid4()), self._clock.now(), actor_id, action, row.name, changes)


def _keys(refs: Iterable[SecretRef]) -> list[dict[str, str]]:
    ordered = sorted(refs, key=lambda ref: ref.key_id)
    return [{"id": ref.key_id, "masked": ref.mask} for ref in ordered]
