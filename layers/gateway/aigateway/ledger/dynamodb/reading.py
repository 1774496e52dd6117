"""The lists: sessions by their last activity, interceptions by their start."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from aigateway.errors import CursorInvalid
from aigateway.ledger.dynamodb import sessions
from aigateway.ledger.dynamodb.details import DynamoDetails, records_of
from aigateway.ledger.dynamodb.interceptions import (
    Dropped,
    InterceptionWalk,
    batches,
    counted,
    dropped,
)
from aigateway.ledger.dynamodb.matching import SessionMatch, is_shown
from aigateway.ledger.dynamodb.walks import Bound, Cursors
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import META, is_expired, milliseconds
from aigateway.ledger.listing import (
    EXAMINED_LIMIT,
    PAGE_CHARACTERS,
    Filter,
    Reach,
    Window,
    initiator_of,
    size_of,
)
from aigateway.ledger.moves import parts_of, session_from
from aigateway.ledger.rows import Interception, Page, Session

MONTH = timedelta(days=31)
BATCH = 50
"""Interceptions whose records and texts are read together."""


class DynamoReading(DynamoDetails):
    """Pages, each of them bounded in work."""

    async def sessions(self, filter: Filter, reach: Reach, window: Window) -> Page[Session]:  # noqa: A002 - the word of the API
        await self._settled()
        layout = await self._fresh_layout()
        cursors = Cursors(layout, "sessions", filter, reach, window)
        cursor = cursors.read()
        is_visible, initiator_id = initiator_of(filter, reach)
        if not is_visible:
            return Page((), 0, count_exact=True, next_cursor=None)
        in_flight = await self._in_flight() if window.inflight else {}
        walk = sessions.SessionWalk(
            self._table,
            layout,
            self._oldest(layout.first_day, window.now),
            initiator_id,
            window,
            await self._named_sessions(filter, initiator_id),
        )
        match = SessionMatch(self._table, filter, window, in_flight)
        start = sessions.Start(
            cursor.t0 if cursor else milliseconds(window.now),
            cursor.position if cursor else await self._after_session(initiator_id, window),
            cursor.skip if cursor else window.offset,
        )
        bound = Bound(self._clock, EXAMINED_LIMIT + start.skip)
        found = await sessions.stretch(walk, match, start, window.limit, bound)
        count, is_exact = await self._counted(
            cursors.listing,
            window,
            start.skip - found.skip + len(found.items)
            if start.below is None and found.stopped is None
            else None,
            lambda: sessions.counted(walk, match),
        )
        rows = [await self._session(item, window, in_flight) for item in found.items]
        next_cursor = cursors.written(found.t0, found.stopped, found.skip)
        return Page(tuple(rows), count, is_exact, next_cursor)

    async def _counted(
        self,
        listing: tuple[str, str],
        window: Window,
        seen: int | None,
        counting: Callable[[], Awaitable[tuple[int, bool]]],
    ) -> tuple[int, bool]:
        """Return the rows of a listing: all were ``seen``, or it was counted lately, or count."""
        if seen is not None:
            return seen, True
        known = self._counts.recalled(listing, window.now)
        if known is None:
            known = await counting()
            self._counts.note(listing, window.now, known)
        return known

    async def _counted_by_index(self, walk: InterceptionWalk, window: Window) -> tuple[int, bool]:
        left_out = frozenset() if window.inflight else await self._open_keys()
        return await counted(walk, left_out)

    def _oldest(self, first_day: str, now: datetime) -> str:
        """Return the day beyond which no walk goes: nothing older is stored, or still shown."""
        if not self._retention_days:
            return first_day
        kept = now.astimezone(UTC) - timedelta(days=self._retention_days) - MONTH
        return max(first_day, f"{kept:%Y%m%d}")

    async def _named_sessions(
        self,
        filter: Filter,  # noqa: A002 - the word of the API
        initiator_id: str | None,
    ) -> tuple[Item, ...] | None:
        if filter.session_id is None:
            return None
        return await self._sessions_of(filter.session_id, initiator_id)

    async def _sessions_of(self, session_id: str, initiator_id: str | None) -> tuple[Item, ...]:
        partitions = await self._partitions_of(session_id, initiator_id)
        found = await self._table.read_many((pk, META) for pk in partitions)
        return tuple(item for item in found.values() if item["si"] == session_id)

    async def _after_session(self, initiator_id: str | None, window: Window) -> str | None:
        if window.after is None:
            return None
        found = [
            item
            for item in await self._sessions_of(window.after, initiator_id)
            if not is_expired(item, window.now)
        ]
        if len(found) != 1:
            raise CursorInvalid("no session of this id, or several")
        return sessions.place_of(found[0])

    async def _after_interception(self, initiator_id: str | None, window: Window) -> str | None:
        if window.after is None:
            return None
        key = await self._place_of(window.after, initiator_id)
        item = None if key is None else await self._table.read(key)
        if key is None or item is None or is_expired(item, window.now):
            raise CursorInvalid("no interception of this id")
        return key[1].removeprefix("I#")

    async def _session(self, item: Item, window: Window, in_flight: Mapping[str, int]) -> Session:
        """Return a listed session; what its item cannot name is taken from its records."""
        names = {parts_of(word) for word in item.get("cb", ())}
        if "cx" in item or in_flight.get(item["pk"]):
            records = await self._table.all(records_of(item["pk"]))
            names |= {
                (record["pv"], record["pn"], record["mo"], record["cl"])
                for record in records
                if is_shown(record, window)
            }
        return session_from(item, names, in_flight.get(item["pk"], 0) if window.inflight else None)

    async def interceptions(
        self,
        filter: Filter,  # noqa: A002 - the word of the API
        reach: Reach,
        window: Window,
    ) -> Page[Interception]:
        layout = await self._fresh_layout()
        cursors = Cursors(layout, "interceptions", filter, reach, window)
        cursor = cursors.read()
        is_visible, initiator_id = initiator_of(filter, reach)
        if not is_visible:
            return Page((), 0, count_exact=True, next_cursor=None)
        named = await self._named_sessions(filter, initiator_id)
        partitions = None if named is None else tuple(str(item["pk"]) for item in named)
        oldest = self._oldest(layout.first_day, window.now)
        walk = InterceptionWalk(self._table, oldest, initiator_id, filter, window, partitions)
        below = cursor.position if cursor else await self._after_interception(initiator_id, window)
        skip = cursor.skip if cursor else window.offset
        bound = Bound(self._clock, EXAMINED_LIMIT + skip)
        passed = await self._passed(walk, below, skip, window, bound)
        rows: list[Interception] = []
        stopped = None if passed.is_over else passed.last
        if not passed.is_over and not passed.skip:
            rows, stopped = await self._page(walk, passed.last, window, bound)
        count, is_exact = await self._counted(
            cursors.listing,
            window,
            skip - passed.skip + len(rows) if below is None and stopped is None else None,
            lambda: self._counted_by_index(walk, window),
        )
        t0 = cursor.t0 if cursor else milliseconds(window.now)
        return Page(tuple(rows), count, is_exact, cursors.written(t0, stopped, passed.skip))

    async def _passed(
        self, walk: InterceptionWalk, below: str | None, skip: int, window: Window, bound: Bound
    ) -> Dropped:
        if not skip:
            return Dropped(0, below, is_over=False)
        left_out = frozenset() if window.inflight else await self._open_keys()
        return await dropped(walk, below, skip, left_out, bound)

    async def _page(
        self, walk: InterceptionWalk, below: str | None, window: Window, bound: Bound
    ) -> tuple[list[Interception], str | None]:
        """Return the rows of a page, and the place where it stopped, if not at the end."""
        rows: list[Interception] = []
        weighed = 0
        async with aclosing(batches(walk, below, min(window.limit, BATCH), bound)) as found:
            async for batch in found:
                records = await self._table.read_many(place.key for place in batch.places)
                shown = [
                    (place, records[place.key])
                    for place in batch.places
                    if place.key in records and is_shown(records[place.key], window)
                ]
                texts = await self._whole([record for _, record in shown])
                for number, ((place, _), row) in enumerate(zip(shown, texts, strict=True), 1):
                    rows.append(row)
                    weighed += size_of(row)
                    if len(rows) == window.limit or weighed >= PAGE_CHARACTERS:
                        is_last = batch.is_over and number == len(shown)
                        return rows, None if is_last else place.at
                if not batch.is_over and bound.is_reached:
                    return rows, batch.last
        return rows, None
