"""The list of sessions: the order of last activity, as it was when the walk began.

Two sources make a page: what still stands where it stood, and what was prompted since and so
moved away. The second is read after the first, so that no session escapes between the two.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import final

from aigateway.ledger.dynamodb.connection import Range, Table
from aigateway.ledger.dynamodb.ground import Layout
from aigateway.ledger.dynamodb.matching import SessionMatch
from aigateway.ledger.dynamodb.table import KEYS, LIST, LOOKUP
from aigateway.ledger.dynamodb.walks import SKEW, Bound, day_of, merged, months_back
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import META, moment, month_partition, user_partition
from aigateway.ledger.listing import COUNT_LIMIT, Window, place_at
from aigateway.ledger.moves import REGISTERS

USER_END = ":"
"""Above every time, below a user's keys, which share the partition."""
BATCH = 100


@final
@dataclass(frozen=True, slots=True)
class Examined:
    """A session and the key of its place at the walk's ``t0``."""

    place: str
    item: Item

    @property
    def sid(self) -> str:
        return sid_of(self.item)


@final
@dataclass(frozen=True, slots=True)
class Start:
    """Where a page begins. ``below`` is ``None`` on the first, whose ``t0`` may still grow.

    ``skip`` matching rows are dropped.
    """

    t0: int
    below: str | None
    skip: int


@final
@dataclass(frozen=True, slots=True)
class Stretch:
    """What a page holds, and the place where it stopped; ``None``: at the end of the list.

    ``skip`` is how many matching rows were still to be dropped.
    """

    items: tuple[Item, ...]
    t0: int
    stopped: str | None
    skip: int


@final
class SessionWalk:
    """The sessions one caller may see, newest first. ``initiator_id``: only this one's.

    ``only`` replaces the walk where a session was named.
    """

    def __init__(
        self,
        table: Table,
        layout: Layout,
        oldest: str,
        initiator_id: str | None,
        window: Window,
        only: tuple[Item, ...] | None,
    ) -> None:
        self._table = table
        self._layout = layout
        self._oldest = oldest
        self._initiator_id = initiator_id
        self._window = window
        self._only = only

    async def standing(self, below: str | None) -> AsyncGenerator[Examined, None]:
        """Yield the sessions below a place, where they stand now."""
        if self._only is not None:
            for item in sorted(self._only, key=place_of, reverse=True):
                if below is None or place_of(item) < below:
                    yield Examined(place_of(item), item)
            return
        async for item in self._items(low=None, high=below):
            if below is None or place_of(item) < below:
                yield Examined(place_of(item), item)

    async def moved(self, t0: int, below: str | None) -> list[Examined]:
        """Return the sessions prompted after ``t0`` that stood below the place at ``t0``."""
        if self._only is not None:
            items = [item for item in self._only if item["la"] > t0]
        else:
            items = [item async for item in self._items(low=moment(t0 + 1), high=None)]
        found = []
        for item in items:
            activities = [item[name] for name in ("la", *REGISTERS) if name in item]
            at = place_at(t0, item["st"] // 1000, activities)
            place = None if at is None else moment(at, sid_of(item))
            if place is not None and (below is None or place < below):
                found.append(Examined(place, item))
        return found

    async def _items(self, low: str | None, high: str | None) -> AsyncGenerator[Item, None]:
        if self._initiator_id is not None:
            async for item in self._of_initiator(low, high):
                yield item
        else:
            async for item in merged(self._table, self._months(low, high), self._window.limit):
                yield item

    def _months(self, low: str | None, high: str | None) -> Iterator[list[Range]]:
        newest = self._window.now + SKEW if high is None else day_of(high)
        oldest = self._oldest if low is None else f"{day_of(low):%Y%m%d}"
        for month in months_back(newest, oldest):
            yield [
                Range(
                    month_partition(month, shard),
                    low,
                    high,
                    index=(LIST, *KEYS[LIST]),
                    descending=True,
                )
                for shard in range(self._layout.list_shards)
            ]

    async def _of_initiator(self, low: str | None, high: str | None) -> AsyncGenerator[Item, None]:
        """Yield an initiator's sessions as they are now, by the keys in its own partition."""
        keys = Range(
            user_partition(self._initiator_id or ""),
            low,
            high or USER_END,
            index=(LOOKUP, *KEYS[LOOKUP]),
            descending=True,
        )
        batch: list[Item] = []
        async for item in merged(self._table, [[keys]], self._window.limit):
            batch.append(item)
            if len(batch) == BATCH:
                for read in await self._read(batch):
                    yield read
                batch = []
        for read in await self._read(batch):
            yield read

    async def _read(self, keys: list[Item]) -> list[Item]:
        found = await self._table.read_many((item["pk"], META) for item in keys)
        return [found[item["pk"], META] for item in keys if (item["pk"], META) in found]


def sid_of(item: Item) -> str:
    return str(item["pk"]).removeprefix("S#")


def place_of(item: Item) -> str:
    return moment(item["la"], sid_of(item))


async def stretch(
    walk: SessionWalk, match: SessionMatch, start: Start, limit: int, bound: Bound
) -> Stretch:
    """Walk until the page is full, or enough was examined, or all is over."""
    standing, is_over = await _standing(walk, match, start, bound, limit + start.skip)
    newest = max((row.item["la"] for row, _ in standing), default=0)
    t0 = max(start.t0, newest) if start.below is None else start.t0
    floor = standing[-1][0].place if standing and not is_over else ""
    moved = [row for row in await walk.moved(t0, start.below) if row.place > floor]
    found = {row.sid: (row, fits) for row, fits in standing if row.item["la"] <= t0}
    found |= {row.sid: (row, await match.fits(row.item)) for row in moved}
    items: list[Item] = []
    last, skip = None, start.skip
    for row, fits in sorted(found.values(), key=lambda pair: pair[0].place, reverse=True):
        if len(items) == limit:
            return Stretch(tuple(items), t0, last, skip)
        last = row.place
        if fits and skip:
            skip -= 1
        elif fits:
            items.append(row.item)
    return Stretch(tuple(items), t0, None if is_over else floor, skip)


async def _standing(
    walk: SessionWalk, match: SessionMatch, start: Start, bound: Bound, enough: int
) -> tuple[list[tuple[Examined, bool]], bool]:
    """Return what was examined, and whether that was the end of it."""
    examined: list[tuple[Examined, bool]] = []
    matching = 0
    async with aclosing(walk.standing(start.below)) as rows:
        async for row in rows:
            if examined and (matching == enough or bound.is_reached):
                return examined, False
            verified = match.examined
            fits = await match.fits(row.item)
            examined.append((row, fits))
            matching += fits
            bound.examined += 1 + match.examined - verified
    return examined, True


async def counted(walk: SessionWalk, match: SessionMatch) -> tuple[int, bool]:
    """Count the sessions that match, and say whether all were looked at."""
    sessions = matching = 0
    before = match.examined
    async with aclosing(walk.standing(None)) as rows:
        async for row in rows:
            if sessions + match.examined - before >= COUNT_LIMIT:
                return matching, False
            sessions += 1
            matching += await match.fits(row.item)
    return matching, True
