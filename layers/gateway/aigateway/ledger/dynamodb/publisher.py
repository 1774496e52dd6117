"""What the publisher of metrics asks of the table beside the counters.

A text lies in parts in one of two slots; its head item names the slot, so the change of the head
changes the whole text. Readers compare the digest: a slot may be written again while they read.
"""

import asyncio
import hashlib
import secrets
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime

from aigateway.clock import micros
from aigateway.errors import Conflict, RecorderUnavailable
from aigateway.ledger.dynamodb.closing import SUB_ITEMS
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.dynamodb.table import KEYS, OPEN
from aigateway.ledger.expressions import Condition, Delete, Item, Put, Update
from aigateway.ledger.items import OPEN_SHARDS, open_partition
from aigateway.ledger.moves import counter_key
from aigateway.ledger.store import LEASE_SKEW, CounterKey, PublisherText

PARTITION, STATE = "PUB", "STATE"
PART_BYTES = 300_000
"""An item may have 400 KB (service quota, read 2026-07)."""
SLOTS, READS = 2, 2
MOVING = ("ConditionalCheckFailed", "TransactionConflict")
FREE = (
    "attribute_not_exists(#lease_until) OR #lease_until <= :now OR #lease_until > :wrong"
    " OR #owner = :owner"
)


class DynamoPublisher(Ground):
    """The lease, the texts, moves of counters, and what is in flight."""

    async def move_counter(self, key: CounterKey, into: CounterKey) -> Mapping[str, int] | None:
        """Move all sub-items in one transaction, each if it is as it was read."""
        places = [counter_key(*key, sub_item) for sub_item in range(SUB_ITEMS + 1)]
        found = await self._table.read_many(places)
        moved: Counter[str] = Counter()
        deletes = []
        for (pk, sk), item in found.items():
            moved.update({n: value for n, value in item.items() if n not in ("pk", "sk")})
            deletes.append(Delete(pk, sk, _unchanged(item)))
        if not deletes:
            return None
        adding = Update(*counter_key(*into, 0), adds=dict(moved))
        try:
            await self._table.transact([*deletes, adding], secrets.token_hex(16))
        except Refused as refused:
            if any(reason.code in MOVING for reason in refused.reasons):
                return None
            raise
        return moved

    async def in_flight(self, most: int) -> Mapping[tuple[str, str, str], int]:
        parts = await asyncio.gather(*(self._open_in(n, most) for n in range(OPEN_SHARDS)))
        return sum(parts, Counter())

    async def _open_in(self, part: int, most: int) -> "Counter[tuple[str, str, str]]":
        found: Counter[tuple[str, str, str]] = Counter()
        wanted = Range(open_partition(part), index=(OPEN, *KEYS[OPEN]))
        async with aclosing(self._table.items(wanted)) as items:
            async for item in items:
                found[item["pn"], item["mo"], item["rt"]] += 1
                if found.total() >= most:
                    break
        return found

    async def take_lease(self, owner: str, now: datetime, until: datetime) -> bytes | None:
        wrong = micros(until + LEASE_SKEW)
        condition = Condition(FREE, {"now": micros(now), "wrong": wrong, "owner": owner})
        sets = {"owner": owner, "lease_until": micros(until)}
        try:
            item = await self._table.update(
                Update(PARTITION, STATE, sets=sets, condition=condition)
            )
        except Refused as refused:
            if refused.is_condition:
                return None
            raise
        return zlib.decompress(item["z"]) if "z" in item else b""

    async def note_state(self, owner: str, state: bytes) -> None:
        sets = {"z": zlib.compress(state)}
        try:
            await self._table.update(_own(owner, sets))
        except Refused as refused:
            if refused.is_condition:
                raise Conflict("another publisher has taken over") from refused
            raise

    async def end_lease(self, owner: str) -> None:
        try:
            await self._table.update(_own(owner, {"lease_until": 0}))
        except Refused as refused:
            if not refused.is_condition:
                raise

    async def publisher_text(self, name: PublisherText) -> bytes | None:
        for _ in range(READS):
            head = await self._table.read((PARTITION, name))
            if head is None:
                return None
            places = [_part(name, head["slot"], number) for number in range(head["parts"])]
            found = await self._table.read_many(places)
            content = b"".join(found[place]["z"] for place in places if place in found)
            if _digest(content) == head["digest"]:
                return zlib.decompress(content)
        raise RecorderUnavailable(f"the publisher's text {name} is being changed")

    async def put_publisher_text(self, name: PublisherText, text: bytes) -> None:
        before = await self._table.read((PARTITION, name))
        content = zlib.compress(text, 6)
        if before is not None and before["digest"] == _digest(content):
            return
        slot = 0 if before is None else (before["slot"] + 1) % SLOTS
        chunks = [content[at : at + PART_BYTES] for at in range(0, len(content), PART_BYTES)]
        await asyncio.gather(
            *(
                self._table.put(Put(_item(_part(name, slot, number)) | {"z": chunk}))
                for number, chunk in enumerate(chunks)
            )
        )
        head = {"slot": slot, "parts": len(chunks), "digest": _digest(content)}
        await self._table.put(Put(_item((PARTITION, name)) | head))


def _unchanged(item: Item) -> Condition:
    """Hold where a counter is as it was read: every closing moves one of these two."""
    values = {name: item[name] for name in ("c", "f") if name in item}
    texts = [
        f"#{name} = :{name}" if name in values else f"attribute_not_exists(#{name})"
        for name in ("c", "f")
    ]
    return Condition(" AND ".join(texts), values)


def _own(owner: str, sets: Item) -> Update:
    condition = Condition("#owner = :owner", {"owner": owner})
    return Update(PARTITION, STATE, sets=sets, condition=condition)


def _part(name: str, slot: int, number: int) -> tuple[str, str]:
    return PARTITION, f"{name}#{slot}#{number:04}"


def _item(place: tuple[str, str]) -> dict[str, str | int | bytes]:
    pk, sk = place
    return {"pk": pk, "sk": sk}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
