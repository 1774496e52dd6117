"""The list of interceptions: newest start first, an order that never moves."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from typing import final

from aigateway.clock import micros
from aigateway.ledger.listing import Filter, Reach, Window, initiator_of, size_of
from aigateway.ledger.rows import Interception, Page
from aigateway.ledger.sqlite.columns import bound, full
from aigateway.ledger.sqlite.walks import (
    NAMES,
    NOT_EXPIRED,
    TIMES,
    Counts,
    Cursors,
    Examined,
    Values,
    after_of,
    asked_of,
    counted,
    counted_once,
    stretch,
    values_of,
)

FULL = """
SELECT i.*,
    (SELECT content FROM payload p WHERE p.interception_id = i.id AND p.part = 0) AS part_0,
    (SELECT content FROM payload p WHERE p.interception_id = i.id AND p.part = 1) AS part_1
FROM interception i WHERE i.id = ?
"""
AFTER = f"""
SELECT i.started_at, i.id FROM interception i
WHERE i.id = :after AND (:initiator_id IS NULL OR i.initiator_id = :initiator_id)
    AND ({NOT_EXPIRED.format("i")})
"""  # noqa: S608 - constants of this package
SESSION_KEYS = "SELECT session_key FROM session WHERE session_id = ?"
SOURCES = ("session_key", "initiator_id", *NAMES)
"""Columns with an index of their own, the most selective first."""
INDEXES = {
    "session_key": "interception_by_session",
    "initiator_id": "interception_by_initiator",
    **{name: f"interception_by_{name}" for name in NAMES},
}
SHOWN = f"""
(i.ended_at IS NOT NULL OR :inflight) AND {NOT_EXPIRED.format("i")}
    AND (:initiator_id IS NULL OR i.initiator_id = :initiator_id)
"""


def full_by_id(connection: sqlite3.Connection, interception_id: str) -> Interception | None:
    row = connection.execute(FULL, (bound(interception_id),)).fetchone()
    return None if row is None else full(row)


def page_of_interceptions(
    connection: sqlite3.Connection, counts: Counts, asked: Filter, reach: Reach, window: Window
) -> Page[Interception]:
    """Return one page. Raises ``CursorInvalid``."""
    cursors = Cursors(connection, "interceptions", asked, reach, window)
    start = cursors.start(micros(window.now) // 1000)
    is_visible, initiator_id = initiator_of(asked, reach)
    if not is_visible:
        return Page((), 0, count_exact=True, next_cursor=None)
    values = values_of(asked, initiator_id, window)
    if window.after is not None:
        start = replace(start, place=after_of(connection, AFTER, values))
    walk = Walk(connection, asked, values)
    found = stretch(
        walk.below(start.place),
        window.limit,
        made=lambda row: full(connection.execute(FULL, (row["key"],)).fetchone()),
        weight=size_of,
        skip=start.skip,
    )
    count, is_exact = counted_once(counts, cursors.listing, window.now, start, found, walk.count)
    return Page(found.rows, count, is_exact, cursors.written(start.t0, found))


@final
class Walk:
    """Interceptions by the one index that answers the most selective part of a filter."""

    def __init__(self, connection: sqlite3.Connection, asked: Filter, values: Values) -> None:
        self._connection = connection
        self._values = [values]
        if asked.session_id is not None:
            keys = connection.execute(SESSION_KEYS, (values["session_id"],)).fetchall()
            self._values = [values | {"session_key": key} for (key,) in keys]
        present = {name for each in self._values for name in each if each[name] is not None}
        self._source = next((name for name in SOURCES if name in present), None)
        self._times = asked_of("i", asked, TIMES)
        self._matches = SHOWN + asked_of("i", asked, NAMES)

    def count(self) -> tuple[int, bool]:
        statement = self._statement("TRUE")
        counts = [counted(self._connection, statement, values) for values in self._values]
        return sum(count for count, _ in counts), all(is_exact for _, is_exact in counts)

    def below(self, place: tuple[int, str] | None) -> Iterator[Examined]:
        """Yield what stands below ``place``; the interceptions of several sessions merged."""
        where = "TRUE" if place is None else "(i.started_at, i.id) < (:at, :key)"
        at, key = place or (0, "")
        statement = self._statement(where)
        walks = [
            self._connection.execute(statement, values | {"at": at, "key": key})
            for values in self._values
        ]
        newest = merge(*walks, key=lambda row: (row["started_at"], row["key"]), reverse=True)
        return (Examined(row["started_at"], row["key"], row) for row in newest)

    def _statement(self, where: str) -> str:
        index = INDEXES[self._source] if self._source else "interception_by_start"
        first = f"i.{self._source} = :{self._source}" if self._source else "TRUE"
        return f"""
        SELECT i.id AS key, i.started_at, {self._matches} AS matches
        FROM interception i INDEXED BY {index} WHERE {first} {self._times} AND {where}
        ORDER BY i.started_at DESC, i.id DESC
        """  # noqa: S608 - constants of this module; values are bound
