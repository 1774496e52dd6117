"""Walks over partitions, newest first: several at once, merged, page by page."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, final

from aigateway.clock import Clock
from aigateway.ledger.dynamodb.connection import Partition, Range, Table
from aigateway.ledger.dynamodb.ground import Layout
from aigateway.ledger.listing import (
    EXAMINED_LIMIT,
    Cursor,
    Filter,
    Listing,
    Reach,
    Window,
    caller_hash,
    filter_hash,
    signed,
    unsigned,
)

PAGE_SECONDS = 2.0
"""A page that takes longer returns what it has."""
SKEW = timedelta(days=1)
"""A walk begins this far ahead of now: clocks differ, months end."""
LEAST_ROWS = 8


async def merged(
    table: Table, groups: Iterable[Sequence[Range]], limit: int
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the items of each group of ranges by descending sort key, one group after another.

    ``limit`` is how many the reader hopes for: it sizes the first pages.
    """
    for ranges in groups:
        size = max(LEAST_ROWS, limit * 4 // (3 * len(ranges)))
        async for item in _merge([Partition(table, range_, size) for range_ in ranges]):
            yield item


async def _merge(partitions: Sequence[Partition]) -> AsyncGenerator[dict[str, Any], None]:
    sort = partitions[0].range.sort_key
    heads: list[deque[dict[str, Any]]] = [deque() for _ in partitions]
    while True:
        dry = [n for n, head in enumerate(heads) if not head and not partitions[n].done]
        if dry:
            pages = await asyncio.gather(*(partitions[n].page() for n in dry))
            for n, page in zip(dry, pages, strict=True):
                heads[n].extend(page)
            continue
        live = [head for head in heads if head]
        if not live:
            return
        yield max(live, key=lambda head: str(head[0][sort])).popleft()


def days_back(newest: datetime, oldest: str) -> Iterator[datetime]:
    """Yield the days from ``newest`` back to ``oldest`` (YYYYMMDD)."""
    day = newest.astimezone(UTC)
    while f"{day:%Y%m%d}" >= oldest:
        yield day
        day -= timedelta(days=1)


def months_back(newest: datetime, oldest: str) -> Iterator[datetime]:
    """Yield a day in each month from that of ``newest`` back to that of ``oldest``."""
    day = newest.astimezone(UTC).replace(day=15)
    while f"{day:%Y%m}" >= oldest[:6]:
        yield day
        day = (day.replace(day=1) - timedelta(days=1)).replace(day=15)


def day_of(key: str) -> datetime:
    """Return the time in a sort key, which opens with milliseconds."""
    return datetime.fromtimestamp(int(key[:13]) / 1000, UTC)


@final
class Cursors:
    """Reads and writes the cursors of one listing, filter and caller."""

    def __init__(
        self, layout: Layout, listing: Listing, asked: Filter, reach: Reach, window: Window
    ) -> None:
        self._key = layout.cursor_key
        self.listing = filter_hash(listing, asked, window), caller_hash(reach)
        self._text = window.cursor

    def read(self) -> Cursor | None:
        """Return where the page before ended. Raises ``CursorInvalid``."""
        return None if self._text is None else unsigned(self._text, *self.listing, self._key)

    def written(self, t0: int, position: str | None, skip: int) -> str | None:
        if position is None:
            return None
        return signed(Cursor(t0, position, skip), *self.listing, self._key)


@final
class Bound:
    """How much work one page may still be."""

    def __init__(self, clock: Clock, rows: int = EXAMINED_LIMIT) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + PAGE_SECONDS
        self._rows = rows
        self.examined = 0

    @property
    def is_reached(self) -> bool:
        return self.examined >= self._rows or self._clock.monotonic() > self._deadline
