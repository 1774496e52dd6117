"""A walk over one index, newest first, that stops when a page is full or enough was examined."""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Generic, TypeVar, final

from aigateway.clock import micros
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
from aigateway.ledger.sqlite.columns import bound

Row = TypeVar("Row")
Values = dict[str, object]
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
    return {name: bound(value) for name, value in named.items()}


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
    """What a walk found, and the place where it stopped; ``None``: it came to the end."""

    rows: tuple[Row, ...]
    stopped: tuple[int, str] | None


def stretch(
    walk: Iterable[Examined],
    limit: int,
    made: Callable[[sqlite3.Row], Row],
    weight: Callable[[Row], int],
) -> Stretch[Row]:
    """Walk until the page is full, or heavy, or enough was examined."""
    rows: list[Row] = []
    examined = weighed = 0
    last: tuple[int, str] | None = None
    for step in walk:
        is_full = len(rows) >= limit or weighed >= PAGE_CHARACTERS
        if is_full or examined >= EXAMINED_LIMIT:
            return Stretch(tuple(rows), last)
        last = step.place
        examined += not step.moved
        if step.row["matches"]:
            rows.append(made(step.row))
            weighed += weight(rows[-1])
    return Stretch(tuple(rows), None)


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
        self._hashes = (filter_hash(listing, asked, window), caller_hash(reach))
        self._text = window.cursor

    def read(self) -> tuple[int, tuple[int, str]] | None:
        """Return t0 and place of the page before. Raises ``CursorInvalid``."""
        if self._text is None:
            return None
        cursor = unsigned(self._text, *self._hashes, self._key)
        at, _, key = cursor.position.partition("#")
        return cursor.t0, (int(at), key)

    def written(self, t0: int, place: tuple[int, str] | None) -> str | None:
        if place is None:
            return None
        return signed(Cursor(t0, f"{place[0]}#{place[1]}"), *self._hashes, self._key)
