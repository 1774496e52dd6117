"""The list of sessions: the order of last activity, as it was when the walk began."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from typing import final

from aigateway.clock import from_micros, micros
from aigateway.interception import TOKEN_NAMES
from aigateway.ledger.listing import Filter, Reach, Window, initiator_of, place_at
from aigateway.ledger.rows import Page, Session
from aigateway.ledger.sqlite.walks import (
    MATCHING,
    MATCHING_ONCE,
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

ACTIVITIES = ("last_active_ms", "a1", "a2", "a3", "a4", "a5", "a6", "a7")
OWN = ("session_id", "initiator_id")
NEWEST = "SELECT max(last_active_ms) FROM session"
AFTER = f"""
SELECT s.last_active_ms, s.session_key FROM session s
WHERE s.session_id = :after AND (:initiator_id IS NULL OR s.initiator_id = :initiator_id)
    AND ({NOT_EXPIRED.format("s")})
"""  # noqa: S608 - constants of this package
COMBINATIONS = """
SELECT provider, provider_name, model FROM combination
WHERE session_key = ? AND (ended OR ?)
"""
IN_FLIGHT = f"""
SELECT count(*) FROM interception i INDEXED BY interception_open_by_session
WHERE i.session_key = :session_key AND i.ended_at IS NULL AND {NOT_EXPIRED.format("i")}
"""  # noqa: S608 - constants of this package
IN_TIME = f"""
EXISTS (
    SELECT 1 FROM interception i INDEXED BY interception_by_session
    WHERE i.session_key = s.session_key AND (i.ended_at IS NOT NULL OR :inflight)
        AND {NOT_EXPIRED.format("i")} {{0}}
)
"""  # noqa: S608 - constants of this package
TOGETHER = """
EXISTS (
    SELECT 1 FROM combination n
    WHERE n.session_key = s.session_key AND (n.ended OR :inflight) {0}
)
"""
SHOWN = f"""
(
    s.closed_main > 0 OR (s.closed > 0 AND :auxiliary)
    OR :inflight AND (s.closed = 0 OR EXISTS (
        SELECT 1 FROM interception o INDEXED BY interception_open_by_session
        WHERE o.session_key = s.session_key AND o.ended_at IS NULL AND {NOT_EXPIRED.format("o")}
    ))
)
    AND {NOT_EXPIRED.format("s")}
"""  # noqa: S608 - constants of this package
SOURCES = {
    "session_id": "session s INDEXED BY session_by_id WHERE s.session_id = :session_id",
    "initiator_id": """
        session s INDEXED BY session_by_initiator WHERE s.initiator_id = :initiator_id
        """,
    **{
        name: f"""
        combination k INDEXED BY combination_by_{name}
        CROSS JOIN session s ON s.session_key = k.session_key WHERE k.{name} = :{name}
        """
        for name in NAMES
    },
    "": "session s INDEXED BY session_by_activity WHERE TRUE",
}
"""By what is asked for, the most selective first; the index belongs to ``s`` or else ``k``."""


def page_of_sessions(
    connection: sqlite3.Connection, counts: Counts, asked: Filter, reach: Reach, window: Window
) -> Page[Session]:
    """Return one page. Raises ``CursorInvalid``."""
    cursors = Cursors(connection, "sessions", asked, reach, window)
    newest = connection.execute(NEWEST).fetchone()[0] or 0
    start = cursors.start(max(micros(window.now) // 1000, newest))
    is_visible, initiator_id = initiator_of(asked, reach)
    if not is_visible:
        return Page((), 0, count_exact=True, next_cursor=None)
    values = values_of(asked, initiator_id, window)
    if window.after is not None:
        start = replace(start, place=after_of(connection, AFTER, values))
    walk = Walk(connection, asked, values)
    found = stretch(
        walk.below(start.place, start.t0),
        window.limit,
        made=lambda row: _session(connection, row, window),
        weight=lambda _: 0,
        skip=start.skip,
    )
    count, is_exact = counted_once(counts, cursors.listing, window.now, start, found, walk.count)
    return Page(found.rows, count, is_exact, cursors.written(start.t0, found))


@final
class Walk:
    """Sessions by the one index that answers the most selective part of a filter."""

    def __init__(self, connection: sqlite3.Connection, asked: Filter, values: Values) -> None:
        self._connection = connection
        self._values = values
        self._matches = _matches(asked)
        named = next((name for name in SOURCES if name and values[name] is not None), "")
        self._source = SOURCES[named]
        self._alias = "k" if named in NAMES else "s"

    def count(self) -> tuple[int, bool]:
        """Count sessions; an index of combinations holds some of them more than once."""
        statement = self._statement("s.session_key AS key", "TRUE")
        matching = MATCHING_ONCE if self._alias == "k" else MATCHING
        return counted(self._connection, statement, self._values, matching)

    def below(self, place: tuple[int, str] | None, t0: int) -> Iterator[Examined]:
        """Yield what stands below ``place`` and what stood there at ``t0``, newest first."""
        if place is None:
            return self._standing((t0 + 1, ""))
        moved = sorted(self._moved(place, t0), key=lambda row: row.place, reverse=True)
        return merge(self._standing(place), moved, key=lambda row: row.place, reverse=True)

    def _standing(self, place: tuple[int, str]) -> Iterator[Examined]:
        where = f"({self._alias}.last_active_ms, {self._alias}.session_key) < (:at, :key)"
        last = None
        for row in self._rows(where, {"at": place[0], "key": place[1]}):
            if row["session_key"] != last:
                last = row["session_key"]
                yield Examined(row["last_active_ms"], row["session_key"], row)

    def _moved(self, place: tuple[int, str], t0: int) -> Iterator[Examined]:
        where = f"{self._alias}.last_active_ms > :t0 AND s.started_at < (:t0 + 1) * 1000"
        last = None
        for row in self._rows(where, {"t0": t0}):
            if (key := row["session_key"]) == last:
                continue
            last = key
            activities = [row[name] for name in ACTIVITIES if row[name] is not None]
            at = place_at(t0, row["started_at"] // 1000, activities)
            if at is not None and (at, key) < place:
                yield Examined(at, key, row, moved=True)

    def _rows(self, where: str, more: Values) -> Iterator[sqlite3.Row]:
        return self._connection.execute(self._statement("s.*", where), self._values | more)

    def _statement(self, named: str, where: str) -> str:
        return f"""
        SELECT {named}, {self._matches} AS matches FROM {self._source} AND {where}
        ORDER BY {self._alias}.last_active_ms DESC, {self._alias}.session_key DESC
        """  # noqa: S608 - constants of this module; values are bound


def _matches(asked: Filter) -> str:
    """Return the condition on ``s``: any interception fits, and the session is shown."""
    conditions = [SHOWN, *(f"(:{name} IS NULL OR s.{name} = :{name})" for name in OWN)]
    if asked.asks_for_names:
        conditions.append(TOGETHER.format(asked_of("n", asked, NAMES)))
    if asked.asks_for_time:
        conditions.append(IN_TIME.format(asked_of("i", asked, (*NAMES, *TIMES))))
    return " AND ".join(conditions)


def _session(connection: sqlite3.Connection, row: sqlite3.Row, window: Window) -> Session:
    key = row["session_key"]
    together = connection.execute(COMBINATIONS, (key, window.inflight)).fetchall()
    open_ones = {"session_key": key, "now": micros(window.now)}
    return Session(
        key=key,
        id=row["session_id"],
        initiator_id=row["initiator_id"],
        initiator_username=row["initiator_username"],
        client=row["client"],
        metadata=json.loads(row["metadata"] or "{}"),
        providers=tuple(sorted({names["provider"] for names in together})),
        provider_names=tuple(sorted({names["provider_name"] for names in together})),
        models=tuple(sorted({names["model"] for names in together})),
        started_at=from_micros(row["started_at"]),
        ended_at=None if row["ended_at"] is None else from_micros(row["ended_at"]),
        last_active_at=from_micros(row["last_active_ms"] * 1000),
        last_prompt=row["last_prompt"],
        threads=row["threads"],
        errors=row["errors"],
        tokens={name: row[name] for name in TOKEN_NAMES},
        cost_micros=row["cost_micros"],
        inflight=connection.execute(IN_FLIGHT, open_ones).fetchone()[0]
        if window.inflight
        else None,
    )
