"""Reading back: sessions and interceptions by their ids."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime

from aigateway.clock import micros
from aigateway.ledger.listing import Filter, NameKind, Reach, Window, names_in, page_of_names
from aigateway.ledger.recall import Recall
from aigateway.ledger.rows import Interception, Page, Session
from aigateway.ledger.sqlite.columns import bare, bound
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.sqlite.interceptions import full_by_id, page_of_interceptions
from aigateway.ledger.sqlite.sessions import page_of_sessions
from aigateway.ledger.sqlite.walks import Counts
from aigateway.steps import CLOSED

Names = Recall[str | None, Mapping[NameKind, frozenset[str]]]
KEYS = (
    """
    SELECT session_key FROM session
    WHERE session_id = ?1 AND (?2 IS NULL OR initiator_id = ?2)
    """,
    """
    SELECT session_key FROM interception
    WHERE id = ?1 AND (?2 IS NULL OR initiator_id = ?2)
    """,
)
MEMBERS = """
SELECT * FROM interception i INDEXED BY interception_by_session
WHERE i.session_key = ? AND (i.expires_at IS NULL OR i.expires_at > ?)
ORDER BY i.started_at, i.id
"""


NEXT_KEY = "SELECT min(key) FROM counter WHERE kind = :kind AND key > :key"
"""One step from counter to counter: those of one key stand together in the index."""


class SqliteReading:
    """What the sessions API asks."""

    _database: Database
    _counts: Counts
    _names: Names

    async def sessions(self, filter: Filter, reach: Reach, window: Window) -> Page[Session]:  # noqa: A002 - the word of the API
        counts = self._counts
        return await self._database.read(
            lambda c: page_of_sessions(c, counts, filter, reach, window)
        )

    async def session(
        self, session_id: str, reach: Reach, now: datetime
    ) -> tuple[tuple[Interception, ...], ...]:
        def work(connection: sqlite3.Connection) -> list[list[sqlite3.Row]]:
            asked = (bound(session_id), reach.initiator_id)
            for statement in KEYS:
                if keys := connection.execute(statement, asked).fetchall():
                    bounds = [(key, micros(now)) for (key,) in keys]
                    return [connection.execute(MEMBERS, each).fetchall() for each in bounds]
            return []

        groups = await self._database.read(work)
        return tuple(tuple(bare(row) for row in rows) for rows in groups if rows)

    async def filled(self, rows: tuple[Interception, ...]) -> tuple[Interception, ...]:
        found = await self._database.read(lambda c: [full_by_id(c, row.id) for row in rows])
        return tuple(full or row for full, row in zip(found, rows, strict=True))

    async def interceptions(
        self,
        filter: Filter,  # noqa: A002 - the word of the API
        reach: Reach,
        window: Window,
    ) -> Page[Interception]:
        counts = self._counts
        return await self._database.read(
            lambda c: page_of_interceptions(c, counts, filter, reach, window)
        )

    async def interception(self, id: str, reach: Reach, now: datetime) -> Interception | None:  # noqa: A002 - the field's name
        row = await self._database.read(lambda c: full_by_id(c, id))
        if row is None or reach.initiator_id not in (None, row.opened.initiator_id):
            return None
        expires_at = row.opened.expires_at
        return row if expires_at is None or expires_at > now else None

    async def names(
        self, kind: NameKind, reach: Reach, window: Window, prefix: str
    ) -> tuple[str, ...]:
        known = self._names.recalled(reach.initiator_id, window.now)
        if known is None:
            known = await self._database.read(lambda c: _named(c, reach))
            self._names.note(reach.initiator_id, window.now, known)
        return page_of_names(known[kind], prefix, window)


def _named(connection: sqlite3.Connection, reach: Reach) -> Mapping[NameKind, frozenset[str]]:
    keys: list[tuple[str, ...]] = []
    at = {"kind": CLOSED, "key": ""}
    while (key := connection.execute(NEXT_KEY, at).fetchone()[0]) is not None:
        at["key"] = key
        keys.append(tuple(json.loads(key)))
    return names_in(keys, reach.initiator_id)
