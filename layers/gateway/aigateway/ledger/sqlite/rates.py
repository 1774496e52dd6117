"""How often each key is used within a second."""

import sqlite3

from aigateway.ledger.sqlite.connection import Database

HIT = """
INSERT INTO rate_window (key_id, second, n) VALUES (?, ?, 1)
ON CONFLICT (key_id, second) DO UPDATE SET n = n + 1 RETURNING n
"""
FORGET = "DELETE FROM rate_window WHERE key_id = ? AND second < ?"


class SqliteRates:
    """One row for each key: the second that counts now."""

    _database: Database

    async def hit(self, key_id: str, second: int) -> int:
        def work(connection: sqlite3.Connection) -> int:
            connection.execute(FORGET, (key_id, second))
            count: int = connection.execute(HIT, (key_id, second)).fetchone()["n"]
            return count

        return await self._database.write(work)
