"""What the publisher of metrics asks of the store beside the counters."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime

from aigateway.clock import micros
from aigateway.errors import Conflict
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.store import LEASE_SKEW, CounterKey, PublisherText

COUNTER = "SELECT attribute, amount FROM counter WHERE kind = ? AND key = ?"
ADD_COUNTER = """
INSERT INTO counter (kind, key, attribute, amount) SELECT ?, ?, attribute, amount
FROM counter WHERE kind = ? AND key = ?
ON CONFLICT DO UPDATE SET amount = amount + excluded.amount
"""
DELETE_COUNTER = "DELETE FROM counter WHERE kind = ? AND key = ?"
IN_FLIGHT = """
SELECT provider_name, model, route, count(*) AS number FROM (
    SELECT provider_name, model, route FROM interception INDEXED BY interception_open
    WHERE ended_at IS NULL LIMIT ?
) GROUP BY provider_name, model, route
"""
TAKE_LEASE = """
INSERT INTO publisher (name, content, owner, lease_until) VALUES ('LEASE', x'', ?1, ?3)
ON CONFLICT DO UPDATE SET owner = ?1, lease_until = ?3
WHERE owner = ?1 OR lease_until <= ?2 OR lease_until > ?4
RETURNING content
"""
NOTE_STATE = "UPDATE publisher SET content = ? WHERE name = 'LEASE' AND owner = ?"
END_LEASE = "UPDATE publisher SET lease_until = 0 WHERE name = 'LEASE' AND owner = ?"
TEXT = "SELECT content FROM publisher WHERE name = ?"
PUT_TEXT = "INSERT OR REPLACE INTO publisher (name, content) VALUES (?, ?)"


class SqlitePublisher:
    """The lease, the texts, moves of counters, and what is in flight."""

    _database: Database

    async def move_counter(self, key: CounterKey, into: CounterKey) -> Mapping[str, int] | None:
        here, there = _place(key), _place(into)

        def work(connection: sqlite3.Connection) -> Mapping[str, int] | None:
            rows = connection.execute(COUNTER, here).fetchall()
            connection.execute(ADD_COUNTER, (*there, *here))
            connection.execute(DELETE_COUNTER, here)
            return {row["attribute"]: row["amount"] for row in rows} or None

        return await self._database.write(work)

    async def in_flight(self, most: int) -> Mapping[tuple[str, str, str], int]:
        rows = await self._database.read(lambda c: c.execute(IN_FLIGHT, (most,)).fetchall())
        return {(row["provider_name"], row["model"], row["route"]): row["number"] for row in rows}

    async def take_lease(self, owner: str, now: datetime, until: datetime) -> bytes | None:
        times = (owner, micros(now), micros(until), micros(until + LEASE_SKEW))
        row = await self._database.write(lambda c: c.execute(TAKE_LEASE, times).fetchone())
        return None if row is None else bytes(row["content"])

    async def note_state(self, owner: str, state: bytes) -> None:
        noted = await self._database.write(lambda c: c.execute(NOTE_STATE, (state, owner)).rowcount)
        if not noted:
            raise Conflict("another publisher has taken over")

    async def end_lease(self, owner: str) -> None:
        await self._database.write(lambda c: c.execute(END_LEASE, (owner,)).rowcount)

    async def publisher_text(self, name: PublisherText) -> bytes | None:
        row = await self._database.read(lambda c: c.execute(TEXT, (name,)).fetchone())
        return None if row is None else bytes(row["content"])

    async def put_publisher_text(self, name: PublisherText, text: bytes) -> None:
        await self._database.write(lambda c: c.execute(PUT_TEXT, (name, text)).rowcount)


def _place(key: CounterKey) -> tuple[str, str]:
    kind, labels = key
    return kind, json.dumps(labels)
