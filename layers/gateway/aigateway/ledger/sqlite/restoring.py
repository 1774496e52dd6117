"""A record from elsewhere: as if it had been written here, whatever is here of its session."""

import sqlite3
from typing import Any

from aigateway.clock import micros
from aigateway.interception import Closed, Opened
from aigateway.ledger.sqlite.records import MOVE_COMBINATIONS, begin_record, end_record

Row = dict[str, Any]
IS_THERE = "SELECT 1 FROM interception WHERE id = ?"
HAS_PROMPT = "SELECT last_prompt IS NOT NULL FROM session WHERE session_key = ?"
IDENTIFY = """
UPDATE session SET client = :client, metadata = :metadata, initiator_username = :initiator_username
WHERE session_key = :session_key AND started_at > :started_at
"""
MOVE_BACK = """
UPDATE session SET last_active_ms = :active_ms
WHERE session_key = :session_key AND last_active_ms > :active_ms
"""


def restored(
    connection: sqlite3.Connection,
    opened: Opened,
    row: Row,
    prompt: bytes | None,
    ending: tuple[Closed, Row, bytes] | None,
) -> bool:
    """Add the record with its end, if it has one; ``False``: one of its id is there.

    A session is named by its first record, and stands where its last prompt does, else where
    its first record does: either may come after the others.
    """
    if connection.execute(IS_THERE, (opened.id,)).fetchone():
        return False
    connection.execute(IDENTIFY, row)
    known = connection.execute(HAS_PROMPT, (opened.session_key,)).fetchone()
    begin_record(connection, opened, row, prompt)
    if known is not None and not known[0]:
        moved = row | {"active_ms": micros(opened.started_at) // 1000}
        if connection.execute(MOVE_BACK, moved).rowcount:
            connection.execute(MOVE_COMBINATIONS, moved)
    if ending is not None:
        closed, closed_row, text = ending
        end_record(connection, opened, closed, closed_row, text)
    return True
