"""A walk over one index, newest first, that stops when a page is full or enough was examined."""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar, final

from aigateway.clock import micros
from aigateway.errors import CursorInvalid
from aigateway.ledger.listing import (
    COUNT_LIMIT,
    EXAMINED_LIMIT,
    PAGE_CHARACTERS,
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
from aigateway.ledger.recall import Recall
from aigateway.ledger.sqlite.columns import bound

Row = TypeVar("Row")
Values = dict[str, object]
ListingKey = tuple[str, str]
Counts = Recall[ListingKey, tuple[int, bool]]
CURSOR_KEY = "SELECT value FROM setting WHERE name = 'cursor_key'"
NAMES = ("model", "provider_name", "client", "provider")
"""The names of a filter, the most selective first."""
MATCHING = "total(matches)"
MATCHING_ONCE = "count(DISTINCT iif(matches, key, NULL))"
TIMES = ("started_after", "started_before")
NOT_EXPIRED = "({0}.expires_at IS NULL OR {0}.expires_at > :now)"
CONDITIONS = {
    "provider": "{0}.provider = :provider",
    "provider_name": "{0}.provider_name = :provider_name",
    "model": "{0}.model = :model",
    "client": "{0}.client = :client",
    "started_after": "{0}.started_at >= :started_after",
    "started_before": "{0}.started_at <= :started_before",
}
"""What a filter asks of one row of the table called ``{0}``."""


def asked_of(alias: str, asked: Filter, names: Iterable[str]) -> str:
    """Return the conditions on one row that the filter's ``names`` stand for, each with AND."""
    wanted = (name for name in names if getattr(asked, name) is not None)
    return "".join(f" AND {CONDITIONS[name].format(alias)}" for name in wanted)


def values_of(asked: Filter, initiator_id: str | None, window: Window) -> Values:
    """Return what the statements of a listing name."""
    values = {field.name: getattr(asked, field.name) for field in fields(Filter)}
    times = {name: micros(values[name]) for name in TIMES if values[name] is not None}
    included = {"inflight": window.inflight, "auxiliary": window.auxiliary}
    named = values | times | included | {"initiator_id": initiator_id, "now": micros(window.now)}
    named["after"] = window.after
    return {name: bound(value) for name, value in named.items()}


def after_of(connection: sqlite3.Connection, statement: str, values: Values) -> tuple[int, str]:
    """Return the place of the one row that a page follows. Raises ``CursorInvalid``."""
    found = connection.execute(statement, values).fetchmany(2)
    if len(found) != 1:
        raise CursorInvalid("no row of this id, or several")
    return found[0][0], found[0][1]


@final
@dataclass(frozen=True, slots=True)
class Examined:
    """One row of a walk: its place in the list, and whether it is one of those asked for.

    ``moved``: it stands elsewhere by now, so that it does not count as work of this walk.
    """

    at: int
    key: str
    row: sqlite3.Row
    moved: bool = False

    @property
    def place(self) -> tuple[int, str]:
        return self.at, self.key


@final
@dataclass(frozen=True, slots=True)
class Stretch(Generic[Row]):
    """What a walk found, and the place where it stopped; ``None``: it came to the end.

    ``skip`` is how many matching rows were still to be dropped.
    """

    rows: tuple[Row, ...]
    stopped: tuple[int, str] | None
    skip: int


def stretch(
    walk: Iterable[Examined],
    limit: int,
    made: Callable[[sqlite3.Row], Row],
    weight: Callable[[Row], int],
    skip: int = 0,
) -> Stretch[Row]:
    """Drop ``skip`` rows, then walk until the page is full, or heavy, or enough was examined."""
    most = EXAMINED_LIMIT + skip
    rows: list[Row] = []
    examined = weighed = 0
    last: tuple[int, str] | None = None
    for step in walk:
        is_full = len(rows) >= limit or weighed >= PAGE_CHARACTERS
        if is_full or examined >= most:
            return Stretch(tuple(rows), last, skip)
        last = step.place
        examined += not step.moved
        if step.row["matches"] and skip:
            skip -= 1
        elif step.row["matches"]:
            rows.append(made(step.row))
            weighed += weight(rows[-1])
    return Stretch(tuple(rows), None, skip)


@final
@dataclass(frozen=True, slots=True)
class Start:
    """Where a page begins: below ``place``, in the order of ``t0``, after ``skip`` rows."""

    t0: int
    place: tuple[int, str] | None
    skip: int


def counted_once(
    counts: Counts,
    listing: ListingKey,
    now: datetime,
    start: Start,
    found: Stretch[Any],
    counting: Callable[[], tuple[int, bool]],
) -> tuple[int, bool]:
    """Return the rows of a listing: all were on this page, or it was counted lately, or count."""
    if start.place is None and found.stopped is None:
        return start.skip - found.skip + len(found.rows), True
    known = counts.recalled(listing, now)
    if known is None:
        known = counting()
        counts.note(listing, now, known)
    return known


def counted(
    connection: sqlite3.Connection,
    statement: str,
    values: Values,
    matching: str = MATCHING,
    limit: int = COUNT_LIMIT,
) -> tuple[int, bool]:
    """Count the rows that match, and say whether all were looked at."""
    whole = f"""
    SELECT count(*) AS examined, {matching} AS matching FROM ({statement} LIMIT {limit + 1})
    """  # noqa: S608 - constants of this package; values are bound
    row = connection.execute(whole, values).fetchone()
    return min(int(row["matching"]), limit), row["examined"] <= limit


@final
class Cursors:
    """Reads and writes the cursors of one listing, filter and caller."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        listing: Listing,
        asked: Filter,
        reach: Reach,
        window: Window,
    ) -> None:
        self._key: bytes = connection.execute(CURSOR_KEY).fetchone()[0]
        self.listing: ListingKey = filter_hash(listing, asked, window), caller_hash(reach)
        self._window = window

    def start(self, t0: int) -> Start:
        """Return where the page begins; ``t0`` holds for the first one. Raises ``CursorInvalid``.

        It knows nothing of ``window.after``, which each list finds by itself.
        """
        if self._window.cursor is None:
            return Start(t0, None, self._window.offset)
        cursor = unsigned(self._window.cursor, *self.listing, self._key)
        at, _, key = cursor.position.partition("#")
        return Start(cursor.t0, (int(at), key), cursor.skip)

    def written(self, t0: int, found: Stretch[Any]) -> str | None:
        if found.stopped is None:
            return None
        position = f"{found.stopped[0]}#{found.stopped[1]}"
        return signed(Cursor(t0, position, found.skip), *self.listing, self._key)
