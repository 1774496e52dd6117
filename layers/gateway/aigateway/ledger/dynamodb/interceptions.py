"""The list of interceptions: newest start first, keys that never move, so a cursor is exact."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from typing import Any, final

from aigateway.clock import from_micros
from aigateway.ledger.dynamodb.connection import Range, Table
from aigateway.ledger.dynamodb.matching import as_stored
from aigateway.ledger.dynamodb.table import KEYS, LOOKUP
from aigateway.ledger.dynamodb.walks import SKEW, Bound, day_of, days_back, merged
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import (
    DAY_SHARDS,
    day_partition,
    is_expired,
    milliseconds,
    moment,
    shard,
)
from aigateway.ledger.listing import COUNT_LIMIT, Filter, Window


@final
@dataclass(frozen=True, slots=True)
class Place:
    """An interception by its key in the list and in the table."""

    at: str
    key: tuple[str, str]


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """Places that may be shown, and the last one examined to find them."""

    places: tuple[Place, ...]
    last: str | None
    is_over: bool


@final
class InterceptionWalk:
    """The interceptions one caller may see and asks for, by what the index shows of them.

    ``partitions`` replaces the walk over days where a session was named.
    """

    def __init__(
        self,
        table: Table,
        oldest: str,
        initiator_id: str | None,
        asked: Filter,
        window: Window,
        partitions: tuple[str, ...] | None,
    ) -> None:
        self._table = table
        self._oldest = oldest
        self._initiator_id = initiator_id
        self._asked = as_stored(asked)
        self._window = window
        self._partitions = partitions

    async def rows(self, below: str | None) -> AsyncGenerator[tuple[Place, bool], None]:
        """Yield places below one, newest first, and whether what stands there may be asked for."""
        async with aclosing(self._items(below)) as items:
            async for item in items:
                at = str(item["sk"]).removeprefix("I#")
                if below is None or at < below:
                    yield Place(at, (item["pk"], item["sk"])), self._fits(item)

    def _fits(self, item: Item) -> bool:
        return (
            self._initiator_id in (None, item["in"])
            and self._asked.fits_time(from_micros(item["st"]))
            and self._asked.fits_names(item["pv"], item["pn"], item["mo"], item["cl"])
            and not is_expired(item, self._window.now)
        )

    async def _items(self, below: str | None) -> AsyncGenerator[dict[str, Any], None]:
        after, before = self._asked.started_after, self._asked.started_before
        low = None if after is None else moment(milliseconds(after))
        ends = [f"{moment(milliseconds(before))}~"] if before is not None else []
        high = min([*ends, below] if below is not None else ends, default=None)
        groups = self._days(low, high) if self._partitions is None else self._sessions(low, high)
        async with aclosing(merged(self._table, groups, self._window.limit)) as items:
            async for item in items:
                yield item

    def _sessions(self, low: str | None, high: str | None) -> Iterator[list[Range]]:
        if self._partitions:
            bounds = f"I#{low or ''}", f"I#{high or '~'}"
            yield [Range(pk, *bounds, descending=True) for pk in self._partitions]

    def _days(self, low: str | None, high: str | None) -> Iterator[list[Range]]:
        newest = self._window.now + SKEW
        newest = newest if high is None else min(newest, day_of(high))
        oldest = self._oldest if low is None else max(self._oldest, f"{day_of(low):%Y%m%d}")
        shards = range(DAY_SHARDS)
        if self._initiator_id is not None:
            own = shard(self._initiator_id, DAY_SHARDS)
            shards = range(own, own + 1)
        for day in days_back(newest.astimezone(UTC), oldest):
            yield [
                Range(
                    day_partition(day, part),
                    low,
                    high,
                    index=(LOOKUP, *KEYS[LOOKUP]),
                    descending=True,
                )
                for part in shards
            ]


async def batches(
    walk: InterceptionWalk, below: str | None, size: int, bound: Bound
) -> AsyncGenerator[Batch, None]:
    """Yield places that fit, some at a time."""
    places: list[Place] = []
    last: str | None = None
    async with aclosing(walk.rows(below)) as rows:
        async for place, fits in rows:
            if len(places) == size or (last is not None and bound.is_reached):
                yield Batch(tuple(places), last, is_over=False)
                places = []
            last = place.at
            bound.examined += 1
            if fits:
                places.append(place)
    yield Batch(tuple(places), last, is_over=True)


async def counted(walk: InterceptionWalk, left_out: frozenset[str]) -> tuple[int, bool]:
    """Count what fits, by the index alone, but for the sort keys ``left_out``."""
    examined = matching = 0
    async with aclosing(walk.rows(None)) as rows:
        async for place, fits in rows:
            if examined == COUNT_LIMIT:
                return matching, False
            examined += 1
            matching += fits and place.key[1] not in left_out
    return matching, True


@final
@dataclass(frozen=True, slots=True)
class Dropped:
    """How far an offset got: ``skip`` rows are left of it, ``last`` was the last one examined."""

    skip: int
    last: str | None
    is_over: bool


async def dropped(
    walk: InterceptionWalk, below: str | None, skip: int, left_out: frozenset[str], bound: Bound
) -> Dropped:
    """Pass over ``skip`` rows by the index alone, but for the sort keys ``left_out``."""
    last = below
    async with aclosing(walk.rows(below)) as rows:
        async for place, fits in rows:
            if not skip or bound.is_reached:
                return Dropped(skip, last, is_over=False)
            bound.examined += 1
            last = place.at
            skip -= fits and place.key[1] not in left_out
    return Dropped(skip, last, is_over=True)
