"""Writing interceptions: two transactions each, and what keeps the file small."""

import json
import sqlite3
from datetime import datetime
from typing import Any

from aigateway.clock import micros
from aigateway.interception import TOKEN_NAMES, Closed, Opened, Parents
from aigateway.ledger.documents import (
    closed_row,
    closed_text,
    late_row,
    opened_row,
    opened_text,
)
from aigateway.ledger.listing import LAST_PROMPT_CHARACTERS
from aigateway.ledger.sqlite.columns import (
    CLOSED_COLUMNS,
    OPENED_COLUMNS,
    bare,
    bound,
    columns,
    full,
)
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.sqlite.reading import Names
from aigateway.ledger.sqlite.walks import Counts
from aigateway.ledger.store import ParentQuery
from aigateway.steps import Step

PARENTS_EXAMINED = 400
"""Owners of one call id that a look-up compares: some local servers count from ``call_0``."""

END_OF_TIME = 2**62

OPEN = f"""
INSERT INTO interception ({", ".join(OPENED_COLUMNS)})
VALUES ({", ".join(f":{name}" for name in OPENED_COLUMNS)})
"""  # noqa: S608 - names from this module
CLOSE = f"""
UPDATE interception SET {", ".join(f"{name} = :{name}" for name in CLOSED_COLUMNS)}
WHERE id = :id AND ended_at IS NULL
"""  # noqa: S608 - names from this module
PAYLOAD = """
INSERT OR REPLACE INTO payload (interception_id, part, expires_at, content) VALUES (?, ?, ?, ?)
"""
POINTER = """
INSERT OR IGNORE INTO pointer (
    initiator_id, client_session_id, kind, value, started_at, interception_id, expires_at
) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
STEP = """
INSERT INTO counter (kind, key, attribute, amount) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET amount = amount + excluded.amount
"""
BEGIN_SESSION = """
INSERT INTO session (
    session_key, session_id, initiator_id, initiator_username, client, metadata,
    started_at, last_active_ms, last_prompt, expires_at
) VALUES (
    :session_key, :session_id, :initiator_id, :initiator_username, :client, :metadata,
    :started_at, :active_ms, :last_prompt, :expires_at
)
ON CONFLICT DO UPDATE SET
    started_at = min(started_at, excluded.started_at),
    expires_at = max(expires_at, excluded.expires_at)
"""
"""The scalar ``max`` of NULL is NULL: what lives for ever stays."""
MOVE_SESSION = """
UPDATE session SET
    a7 = a6, a6 = a5, a5 = a4, a4 = a3, a3 = a2, a2 = a1, a1 = last_active_ms,
    last_active_ms = :active_ms, last_prompt = :last_prompt
WHERE session_key = :session_key AND last_active_ms < :active_ms
"""
FIRST_PROMPT = """
UPDATE session SET last_prompt = :last_prompt
WHERE session_key = :session_key AND last_prompt IS NULL
"""
"""A side request of the same millisecond may have begun the session."""
MOVE_COMBINATIONS = """
UPDATE combination SET last_active_ms = :active_ms WHERE session_key = :session_key
"""
BEGIN_COMBINATION = """
INSERT OR IGNORE INTO combination (
    session_key, provider, provider_name, model, client, last_active_ms
)
SELECT session_key, :provider, :provider_name, :model, :client, last_active_ms
FROM session WHERE session_key = :session_key
"""
END_COMBINATION = """
UPDATE combination SET ended = 1
WHERE session_key = :session_key AND provider = :provider AND provider_name = :provider_name
    AND model = :model AND client = :client
"""
END_SESSION = """
UPDATE session SET
    ended_at = max(coalesce(ended_at, 0), :ended_at),
    closed = closed + 1,
    closed_main = closed_main + :main,
    errors = errors + :errors,
    threads = threads + :threads,
    input_tokens = input_tokens + :input_tokens,
    output_tokens = output_tokens + :output_tokens,
    cache_read_input_tokens = cache_read_input_tokens + :cache_read_input_tokens,
    cache_write_input_tokens = cache_write_input_tokens + :cache_write_input_tokens,
    cost_micros = coalesce(cost_micros + :cost_micros, cost_micros, :cost_micros)
WHERE session_key = :session_key
"""
LATE = """
UPDATE interception SET late = ? WHERE id = ? AND outcome = 'abandoned' AND late IS NULL
"""
FIND_PARENTS = """
SELECT p.started_at, i.id, p.client_session_id != '' AND i.agent_id IS ? AS rank,
    coalesce(i.thread_root_id, i.closing_thread_root_id, i.id) AS root
FROM pointer p CROSS JOIN interception i ON i.id = p.interception_id
WHERE p.initiator_id = ? AND p.client_session_id = ? AND p.kind = ? AND p.value = ?
    AND p.started_at < ?
ORDER BY p.started_at DESC, p.interception_id DESC LIMIT ?
"""
ORPHANS = """
SELECT i.*, p.content AS part_0
FROM interception i INDEXED BY interception_open
LEFT JOIN payload p ON p.interception_id = i.id AND p.part = 0
WHERE i.ended_at IS NULL AND i.started_at < ?
ORDER BY i.started_at LIMIT ?
"""
UNPARENTED = """
SELECT * FROM interception WHERE parents_unknown = 1 ORDER BY started_at LIMIT ?
"""
SETTLE_PARENTS = """
UPDATE interception SET parents_unknown = 0, closing_thread_parent_id = :parent,
    closing_thread_root_id = :root
WHERE id = :id AND parents_unknown = 1
"""
MOVE_CHILDREN = """
UPDATE interception SET closing_thread_root_id = :root
WHERE session_key = :session_key AND closing_thread_root_id = :id
"""
LOSE_THREAD = "UPDATE session SET threads = threads - 1 WHERE session_key = :session_key"
PURGE_INTERCEPTIONS = """
DELETE FROM interception WHERE id IN (
    SELECT id FROM interception WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
)
"""
PURGE_SESSIONS = """
DELETE FROM session WHERE session_key IN (
    SELECT session_key FROM session s WHERE expires_at <= ? AND NOT EXISTS (
        SELECT 1 FROM interception i WHERE i.session_key = s.session_key
    ) ORDER BY expires_at LIMIT ?
)
"""
PURGE_AUDIT = """
DELETE FROM audit WHERE id IN (
    SELECT id FROM audit WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
)
"""
PURGES = (PURGE_INTERCEPTIONS, PURGE_SESSIONS, PURGE_AUDIT)


class SqliteRecords:
    """Opening and closing, and what belongs to them."""

    _database: Database
    _counts: Counts
    _names: Names

    async def open(self, opened: Opened) -> None:
        row, text = opened_columns(opened), opened_text(opened)
        await self._database.write(lambda connection: begin_record(connection, opened, row, text))
        self._counts.forget()

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        row, text = closed_columns(closed), closed_text(closed)

        def work(connection: sqlite3.Connection) -> bool:
            if not end_record(connection, opened, closed, row, text):
                return False
            _count(connection, steps)
            return True

        has_won = await self._database.write(work)
        self._counts.forget()
        self._names.forget()
        return has_won

    async def late(self, opened: Opened, closed: Closed) -> bool:
        values = bound(late_row(closed)), opened.id
        return await self._database.write(lambda c: bool(c.execute(LATE, values).rowcount))

    async def count(self, steps: tuple[Step, ...]) -> None:
        await self._database.write(lambda connection: _count(connection, steps))

    async def parents(self, query: ParentQuery) -> Parents | None:
        return await self._database.read(lambda connection: _parents(connection, query))

    async def orphans(self, before: datetime, most: int) -> tuple[Opened, ...]:
        bounds = (micros(before), most)
        rows = await self._database.read(lambda c: c.execute(ORPHANS, bounds).fetchall())
        return tuple(full(row).opened for row in rows)

    async def remains(self, opened: Opened) -> Closed | None:  # noqa: ARG002 - the contract's
        """Return nothing: rows and record are one transaction."""
        return None

    async def unparented(self, most: int) -> tuple[Opened, ...]:
        rows = await self._database.read(lambda c: c.execute(UNPARENTED, (most,)).fetchall())
        return tuple(bare(row).opened for row in rows)

    async def repair_parent(self, opened: Opened, parents: Parents | None) -> bool:
        settled = {
            "id": opened.id,
            "session_key": opened.session_key,
            "parent": parents.thread_parent_id if parents else None,
            "root": parents.thread_root_id if parents else None,
        }

        def work(connection: sqlite3.Connection) -> bool:
            if connection.execute(SETTLE_PARENTS, settled).rowcount == 0:
                return False
            if parents is not None:
                connection.execute(MOVE_CHILDREN, settled)
                if opened.is_human:
                    connection.execute(LOSE_THREAD, settled)
            return True

        return await self._database.write(work)

    async def purge(self, now: datetime, most: int) -> int:
        def work(connection: sqlite3.Connection) -> int:
            deleted = 0
            for statement in PURGES:
                deleted += connection.execute(statement, (micros(now), most - deleted)).rowcount
            return deleted

        return await self._database.write(work)


def _expiry(opened: Opened) -> int | None:
    return None if opened.expires_at is None else micros(opened.expires_at)


def opened_columns(opened: Opened) -> dict[str, Any]:
    return columns(OPENED_COLUMNS, opened_row(opened) | {"session_key": opened.session_key})


def closed_columns(closed: Closed) -> dict[str, Any]:
    document = closed_row(closed) | {"error_message": closed.error_message}
    return columns(CLOSED_COLUMNS, document) | {"id": closed.id}


def begin_record(
    connection: sqlite3.Connection, opened: Opened, row: dict[str, Any], text: bytes | None
) -> None:
    """Add a record and move its session; a second call changes nothing."""
    if connection.execute("SELECT 1 FROM interception WHERE id = ?", (opened.id,)).fetchone():
        return
    prompt = opened.prompt.text if opened.prompt and opened.counts_as_activity else None
    moved = row | {
        "session_id": bound(opened.session_id),
        "active_ms": micros(opened.started_at) // 1000,
        "last_prompt": bound(prompt[:LAST_PROMPT_CHARACTERS]) if prompt is not None else None,
    }
    connection.execute(BEGIN_SESSION, moved)
    if opened.counts_as_activity:
        if connection.execute(MOVE_SESSION, moved).rowcount:
            connection.execute(MOVE_COMBINATIONS, moved)
        connection.execute(FIRST_PROMPT, moved)
    connection.execute(BEGIN_COMBINATION, moved)
    connection.execute(OPEN, row)
    if text is not None:
        connection.execute(PAYLOAD, (opened.id, 0, _expiry(opened), text))


def end_record(
    connection: sqlite3.Connection,
    opened: Opened,
    closed: Closed,
    row: dict[str, Any],
    text: bytes,
) -> bool:
    """End a record and sum it up in its session; ``False``: it has ended, or is not there."""
    if connection.execute(CLOSE, row).rowcount == 0:
        return False
    connection.execute(PAYLOAD, (closed.id, 1, _expiry(opened), text))
    _end_session(connection, opened, closed)
    connection.executemany(POINTER, _pointers(opened, closed))
    return True


def _end_session(connection: sqlite3.Connection, opened: Opened, closed: Closed) -> None:
    names = ("provider", "provider_name", "model", "client")
    combination = columns(names, opened_row(opened)) | {"session_key": opened.session_key}
    connection.execute(END_COMBINATION, combination)
    is_root = opened.is_human and opened.parents is None and closed.parents is None
    ended = {
        "session_key": opened.session_key,
        "ended_at": micros(closed.ended_at),
        "main": not opened.lineage.auxiliary,
        "errors": closed.outcome != "completed",
        "threads": is_root,
        "cost_micros": closed.cost_micros,
    }
    sums = closed.tokens
    connection.execute(END_SESSION, ended | {name: sums[name] for name in TOKEN_NAMES})


def _pointers(opened: Opened, closed: Closed) -> list[tuple[object, ...]]:
    scope = (opened.initiator_id, bound(opened.lineage.client_session_id or ""))
    named = [("call", call_id) for call_id, _ in closed.calls]
    if closed.provider_response_id:
        named.append(("response", closed.provider_response_id))
    rest = (micros(opened.started_at), opened.id, _expiry(opened))
    return [(*scope, kind, bound(value), *rest) for kind, value in named]


def _count(connection: sqlite3.Connection, steps: tuple[Step, ...]) -> None:
    rows = [(s.kind, json.dumps(s.key), bound(s.attribute), s.amount) for s in steps]
    connection.executemany(STEP, rows)


def _parents(connection: sqlite3.Connection, query: ParentQuery) -> Parents | None:
    scope = (query.agent_id, query.initiator_id, bound(query.client_session_id or ""))
    responses = (query.response_id,) if query.response_id else ()
    before = END_OF_TIME if query.before is None else micros(query.before)
    for kind, values in (("call", query.call_ids), ("response", responses)):
        found = [
            row
            for value in values
            for row in connection.execute(
                FIND_PARENTS, (*scope, kind, bound(value), before, PARENTS_EXAMINED)
            )
        ]
        if found:
            newest = max(found, key=lambda row: (row["rank"], row["started_at"], row["id"]))
            return Parents(newest["id"], newest["root"])
    return None
