"""Whether a session holds an interception that was asked for, with as few reads as possible."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import final

from aigateway.clock import from_micros
from aigateway.ledger.dynamodb.connection import Range, Table
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import (
    MODEL_BYTES,
    cut,
    is_expired,
    milliseconds,
    moment,
)
from aigateway.ledger.listing import Filter, Window, shows_session
from aigateway.ledger.moves import parts_of

WIDENED = timedelta(minutes=15)
"""How far a session's own bounds may be off: the time limit of a request."""


@final
class SessionMatch:
    """Decides whether any interception of a session is what was asked for.

    ``in_flight`` counts the open records of each session's partition, where that was asked.
    ``examined`` counts the records that had to be looked at: they are work like sessions are.
    """

    def __init__(
        self, table: Table, asked: Filter, window: Window, in_flight: Mapping[str, int]
    ) -> None:
        self._table = table
        self._asked = as_stored(asked)
        self._window = window
        self._in_flight = in_flight
        self.examined = 0

    async def fits(self, item: Item) -> bool:
        decided = self._decided(item)
        return await self._verified(item) if decided is None else decided

    def _decided(self, item: Item) -> bool | None:
        """Decide by the session alone; ``None``: its interceptions have to be looked at."""
        asked = self._asked
        may_show = (
            not is_expired(item, self._window.now)
            and self._is_shown(item)
            and asked.initiator_id in (None, item["in"])
            and asked.session_id in (None, item["si"])
        )
        if not may_show or not (asked.asks_for_names or asked.asks_for_time):
            return may_show
        by_names, by_time = self._by_names(item), self._by_time(item)
        if False in (by_names, by_time):
            return False
        return True if by_names and by_time else None

    def _is_shown(self, item: Item) -> bool:
        in_flight = bool(self._in_flight.get(item["pk"]))
        return shows_session(
            self._window, item.get("sq", 0), item.get("mn", 0), in_flight=in_flight
        )

    def _by_names(self, item: Item) -> bool | None:
        if not self._asked.asks_for_names:
            return True
        if any(self._asked.fits_names(*parts_of(word)) for word in item.get("cb", ())):
            return True
        return None if "cx" in item or self._in_flight.get(item["pk"]) else False

    def _by_time(self, item: Item) -> bool | None:
        """Compare with the session's first and latest start, each of them a little uncertain."""
        if not self._asked.asks_for_time:
            return True
        first, latest = from_micros(item["st"]) - WIDENED, from_micros(item["ls"]) + WIDENED
        after, before = self._asked.started_after, self._asked.started_before
        if (after is not None and latest < after) or (before is not None and first > before):
            return False
        return True if self._asked.fits_time(first) and self._asked.fits_time(latest) else None

    async def _verified(self, item: Item) -> bool:
        """Look for one interception that fits, in the session's own partition."""
        after, before = self._asked.started_after, self._asked.started_before
        records = Range(
            item["pk"],
            f"I#{moment(milliseconds(after)) if after else ''}",
            f"I#{moment(milliseconds(before)) if before else ''}~",
        )
        async for record in self._table.items(records):
            self.examined += 1
            if is_shown(record, self._window) and self._fits(record):
                return True
        return False

    def _fits(self, record: Item) -> bool:
        return self._asked.fits_time(from_micros(record["st"])) and self._asked.fits_names(
            record["pv"], record["pn"], record["mo"], record["cl"]
        )


def as_stored(asked: Filter) -> Filter:
    """Return the filter for records, which hold a long model's name cut."""
    return replace(asked, model=asked.model and cut(asked.model, MODEL_BYTES))


def is_shown(record: Item, window: Window) -> bool:
    """Ended, or in flight where such were asked for, and not expired."""
    return ("en" in record or window.inflight) and not is_expired(record, window.now)
