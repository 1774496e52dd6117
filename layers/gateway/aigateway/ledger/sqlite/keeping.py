"""What an operator does to the whole file."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from aigateway.clock import from_micros, micros
from aigateway.errors import Conflict
from aigateway.interception import Closed, Opened, expiry
from aigateway.ledger.documents import closed_text, opened_text
from aigateway.ledger.keeping import Aligned, Erased, Job
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.sqlite.opening import BUSY_MS
from aigateway.ledger.sqlite.records import closed_columns, opened_columns
from aigateway.ledger.sqlite.restoring import restored

SCRUB_MS = 500
"""So long the readers of this moment are waited for, while nobody may write."""

LATEST = """
SELECT id, session_key, started_at, expires_at FROM interception INDEXED BY interception_by_start
WHERE (started_at, id) < (?, ?) ORDER BY started_at DESC, id DESC LIMIT ?
"""
ALIGN = (
    "UPDATE interception SET expires_at = ? WHERE id = ?",
    "UPDATE payload SET expires_at = ? WHERE interception_id = ?",
    "UPDATE pointer SET expires_at = ? WHERE interception_id = ?",
)
ALIGN_SESSION = """
UPDATE session SET expires_at = (
    SELECT iif(count(*) = count(i.expires_at), max(i.expires_at), NULL)
    FROM interception i WHERE i.session_key = session.session_key
) WHERE session_key = ?
"""
END_OF_TIME = (2**62, "")

OWN = """
SELECT id FROM interception INDEXED BY interception_by_initiator
WHERE initiator_id = ? ORDER BY started_at, id LIMIT ?
"""
PARTS = (
    "SELECT count(*) AS texts, total(part = 0) AS prompts FROM payload WHERE interception_id = ?"
)
POINTERS = "SELECT count(*) FROM pointer WHERE interception_id = ?"
ERASE = "DELETE FROM interception WHERE id = ?"
ERASE_SESSIONS = """
DELETE FROM session WHERE initiator_id = ?1 AND NOT EXISTS (
    SELECT 1 FROM interception i WHERE i.session_key = session.session_key
)
"""

JOB = "SELECT * FROM job WHERE kind = ? AND name = ?"
JOBS = "SELECT * FROM job WHERE kind = ? ORDER BY name"
PUT_FIRST_JOB = "INSERT OR IGNORE INTO job (document, kind, name, version) VALUES (?, ?, ?, ?)"
PUT_JOB = """
UPDATE job SET document = ?1, version = ?4 WHERE kind = ?2 AND name = ?3 AND version = ?4 - 1
"""


@final
@dataclass(frozen=True, slots=True)
class SqliteKeeping:
    """Over the one connection of a store."""

    _database: Database

    async def restore(self, opened: Opened, closed: Closed | None) -> bool:
        row, prompt = opened_columns(opened), opened_text(opened)
        ending = None if closed is None else (closed, closed_columns(closed), closed_text(closed))
        return await self._database.write(lambda c: restored(c, opened, row, prompt, ending))

    async def align(
        self, retention: timedelta | None, now: datetime, place: str | None, most: int
    ) -> Aligned:
        at, _, below = (place or "").partition("#")
        bounds = (*((int(at), below) if place else END_OF_TIME), most)
        return await self._database.write(lambda c: _aligned(c, retention, now, bounds))

    async def erase(self, initiator_id: str, most: int) -> Erased:
        return await self._database.write(lambda c: _erased(c, initiator_id, most))

    async def scrub(self) -> bool:
        return await self._database.apart(_scrubbed)

    async def job(self, kind: str, name: str) -> Job | None:
        row = await self._database.read(lambda c: c.execute(JOB, (kind, name)).fetchone())
        return None if row is None else _job(row)

    async def jobs(self, kind: str) -> tuple[Job, ...]:
        rows = await self._database.read(lambda c: c.execute(JOBS, (kind,)).fetchall())
        return tuple(_job(row) for row in rows)

    async def put_job(self, job: Job) -> None:
        values = (json.dumps(dict(job.document)), job.kind, job.name, job.version)
        statement = PUT_FIRST_JOB if job.version == 1 else PUT_JOB
        if not await self._database.write(lambda c: c.execute(statement, values).rowcount):
            raise Conflict("the job was changed meanwhile")


def _aligned(
    connection: sqlite3.Connection,
    retention: timedelta | None,
    now: datetime,
    bounds: tuple[int, str, int],
) -> Aligned:
    rows = connection.execute(LATEST, bounds).fetchall()
    sessions = set()
    changed = 0
    for row in rows:
        expires_at = expiry(from_micros(row["started_at"]), retention)
        wanted = None if expires_at is None else micros(expires_at)
        is_over = row["expires_at"] is not None and row["expires_at"] <= micros(now)
        if is_over or row["expires_at"] == wanted:
            continue
        for statement in ALIGN:
            connection.execute(statement, (wanted, row["id"]))
        sessions.add(row["session_key"])
        changed += 1
    for session_key in sessions:
        connection.execute(ALIGN_SESSION, (session_key,))
    is_last = len(rows) < bounds[-1]
    place = None if is_last else f"{rows[-1]['started_at']}#{rows[-1]['id']}"
    return Aligned(len(rows), changed, place)


def _erased(connection: sqlite3.Connection, initiator_id: str, most: int) -> Erased:
    ids = connection.execute(OWN, (initiator_id, most)).fetchall()
    prompts = texts = pointers = 0
    for each in ids:
        parts = connection.execute(PARTS, tuple(each)).fetchone()
        texts, prompts = texts + parts["texts"], prompts + int(parts["prompts"])
        pointers += connection.execute(POINTERS, tuple(each)).fetchone()[0]
        connection.execute(ERASE, tuple(each))
    is_over = len(ids) < most
    sessions = connection.execute(ERASE_SESSIONS, (initiator_id,)).rowcount if is_over else 0
    return Erased(len(ids), prompts, texts, pointers, sessions, is_over=is_over)


def _scrubbed(connection: sqlite3.Connection) -> bool:
    """Rewrite the file, and bring the log of writes to an end."""
    connection.execute(f"PRAGMA busy_timeout = {SCRUB_MS}")
    try:
        # Pages that were split or merged keep copies that secure_delete does not reach. A copy of
        # the file would not fit into memory.
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute("VACUUM")
        busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return not busy


def _job(row: sqlite3.Row) -> Job:
    return Job(row["kind"], row["name"], row["version"], json.loads(row["document"]))
