"""Interceptions ↔ columns: what is bound to a statement, and what a row of the table says."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

from aigateway.interception import Closed, Opened
from aigateway.ledger.documents import Document, closed_from, opened_from
from aigateway.ledger.rows import Interception, whole

JSON_COLUMNS = ("answered_calls", "metadata", "tokens", "calls", "late")
OPENED_COLUMNS = (
    *(
        field.name
        for field in fields(Opened)
        if field.name not in ("prompt", "client", "lineage", "credential", "parents")
    ),
    *("session_key", "client", "client_version", "user_agent"),
    *("client_session_id", "agent_id", "parent_session_id", "auxiliary"),
    *("thread_parent_id", "thread_root_id"),
    *("credential_kind", "credential_hint", "has_prompt"),
)
CLOSED_COLUMNS = (
    *(
        field.name
        for field in fields(Closed)
        if field.name not in ("id", "notes", "rows", "parents", "credential_hint")
    ),
    *("tokens", "cost_micros", "calls", "closing_credential_hint"),
    *("closing_thread_parent_id", "closing_thread_root_id"),
)


def columns(names: Iterable[str], row: Document) -> dict[str, Any]:
    """Return a value for every column; lists and objects as JSON."""
    return {name: bound(row.get(name)) for name in names}


def bound(value: object) -> object:
    """Half of a surrogate pair has no UTF-8 form: in plain columns it becomes ``?``."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple, dict, Mapping)):
        return json.dumps(value)
    return value


def document(row: sqlite3.Row) -> Document:
    """Undo ``columns``: members without a value are absent."""
    named = {name: row[name] for name in row.keys() if row[name] is not None}  # noqa: SIM118 - a Row iterates over its values
    return named | {name: json.loads(named[name]) for name in JSON_COLUMNS if name in named}


def bare(row: sqlite3.Row) -> Interception:
    """Return the record of a row, without its texts."""
    stored = document(row)
    return Interception(
        opened=opened_from(stored),
        closed=closed_from(stored["id"], stored) if "ended_at" in stored else None,
        tokens=stored.get("tokens", {}),
        calls=tuple((call_id, tool) for call_id, tool in stored.get("calls", ())),
        has_prompt=bool(stored["has_prompt"]),
        bare=True,
        cost_micros=stored.get("cost_micros"),
    )


def full(row: sqlite3.Row) -> Interception:
    """Return the record of a row that carries its texts as ``part_0`` and ``part_1``.

    Texts that cannot be read back are missing: a broken part must not hide the record.
    """
    stored = document(row)
    opened, closed = opened_from(stored), None
    with suppress(ValueError):
        opened = opened_from(stored, row["part_0"])
    if "ended_at" in stored:
        closed = closed_from(stored["id"], stored)
        with suppress(ValueError):
            closed = closed_from(stored["id"], stored, row["part_1"])
    return whole(opened, closed)
