"""Sessions and interceptions by their ids: read from the table itself, as they are now."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from aigateway.clock import from_micros, milliseconds_of
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.dynamodb.table import KEYS, LOOKUP, OPEN
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import (
    DAY_SHARDS,
    OPEN_SHARDS,
    client_session_partition,
    day_partition,
    interception_from,
    is_expired,
    moment,
    open_partition,
    record_key,
    session_partition,
    shard,
)
from aigateway.ledger.listing import Reach
from aigateway.ledger.rows import Interception
from aigateway.ledger.texts import Texts, texts_of


def records_of(partition: str) -> Range:
    """Return the records of a session, oldest first."""
    return Range(partition, "I#", "I#~")


def open_ranges() -> list[Range]:
    """Return the index of the records without an end."""
    return [Range(open_partition(part), index=(OPEN, *KEYS[OPEN])) for part in range(OPEN_SHARDS)]


class DynamoDetails(Ground):
    """What is asked for by name."""

    async def session(
        self, session_id: str, reach: Reach, now: datetime
    ) -> tuple[tuple[Interception, ...], ...]:
        await self._settled()
        partitions = await self._partitions_of(session_id, reach.initiator_id)
        groups = await asyncio.gather(*(self._table.all(records_of(pk)) for pk in partitions))
        rows = [
            tuple(interception_from(item) for item in items if not is_expired(item, now))
            for items in groups
        ]
        return tuple(group for group in rows if group)

    async def filled(self, rows: tuple[Interception, ...]) -> tuple[Interception, ...]:
        found = await self._table.read_many(record_key(row.opened) for row in rows)
        whole = {row.id: row for row in await self._whole(found.values())}
        return tuple(whole.get(row.id, row) for row in rows)

    async def _whole(self, items: Iterable[Item]) -> list[Interception]:
        records = list(items)
        found = await self._payloads.found(records)
        return [_whole(item, texts_of(item, found)) for item in records]

    async def interception(self, id: str, reach: Reach, now: datetime) -> Interception | None:  # noqa: A002 - the field's name
        key = await self._place_of(id, reach.initiator_id)
        item = None if key is None else await self._table.read(key)
        if item is None or is_expired(item, now):
            return None
        (row,) = await self._whole([item])
        return row

    async def _partitions_of(self, session_id: str, initiator_id: str | None) -> tuple[str, ...]:
        """Return the sessions of this name: a client's, one per initiator, or a record's."""
        pointers = await self._table.all(Range(client_session_partition(session_id)))
        found = tuple(
            session_partition(item["sid"])
            for item in pointers
            if initiator_id in (None, item["sk"])
        )
        if found:
            return found
        place = await self._place_of(session_id, initiator_id)
        return () if place is None else (place[0],)

    async def _place_of(self, id: str, initiator_id: str | None) -> tuple[str, str] | None:  # noqa: A002 - the field's name
        """Find a record's key by the time in its id, in the index by days."""
        ms = milliseconds_of(id)
        if ms is None:
            return None
        day, at = from_micros(ms * 1000), moment(ms, id)
        shards = range(DAY_SHARDS) if initiator_id is None else (shard(initiator_id, DAY_SHARDS),)
        ranges = [
            Range(day_partition(day, part), at, at, index=(LOOKUP, *KEYS[LOOKUP]))
            for part in shards
        ]
        found = await asyncio.gather(*(self._table.first(each, 1) for each in ranges))
        places = [
            (str(item["pk"]), str(item["sk"]))
            for items in found
            for item in items
            if initiator_id in (None, item["in"])
        ]
        return places[0] if places else None

    async def _in_flight(self) -> Mapping[str, int]:
        """Count the records without an end, by their session's partition."""
        counts: Counter[str] = Counter()
        for items in await asyncio.gather(*(self._table.all(part) for part in open_ranges())):
            counts.update(str(item["pk"]) for item in items)
        return counts

    async def _open_keys(self) -> frozenset[str]:
        parts = await asyncio.gather(*(self._table.all(part) for part in open_ranges()))
        return frozenset(str(item["sk"]) for items in parts for item in items)


def _whole(item: Item, texts: Texts) -> Interception:
    return interception_from(
        item, texts.prompt, texts.answer, bare=False, payload_error=texts.error
    )
