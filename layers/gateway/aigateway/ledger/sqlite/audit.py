"""Who changed what in the configuration."""

import json
import sqlite3
from datetime import datetime

from aigateway.clock import from_micros, micros
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.store import AUDIT_KEPT, AuditEntry

ADD = "INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)"
FIND = "SELECT * FROM audit WHERE at >= ? AND at < ? ORDER BY at, id"
MILLISECOND = 1000


class SqliteAudit:
    """Entries are only ever added; the purge forgets the old ones."""

    _database: Database

    async def audit(self, entry: AuditEntry) -> None:
        await self._database.write(lambda c: add_entry(c, entry))

    async def audited(self, since: datetime, until: datetime) -> tuple[AuditEntry, ...]:
        bounds = tuple(micros(time) // MILLISECOND * MILLISECOND for time in (since, until))
        rows = await self._database.read(lambda c: c.execute(FIND, bounds).fetchall())
        return tuple(_entry(row) for row in rows)


def add_entry(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    """Add an entry within a transaction."""
    row = (
        entry.id,
        micros(entry.at),
        entry.actor_id,
        entry.action,
        entry.target,
        json.dumps(dict(entry.changes)),
        micros(entry.at + AUDIT_KEPT),
    )
    connection.execute(ADD, row)


def _entry(row: sqlite3.Row) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        at=from_micros(row["at"]),
        actor_id=row["actor_id"],
        action=row["action"],
        target=row["target"],
        changes=json.loads(row["changes"]),
    )
