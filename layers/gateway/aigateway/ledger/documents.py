"""Records ↔ plain documents: what both stores write, and how it is read back.

A record is stored in three pieces: the *opened row* and the *closed row*, flat mappings with the
recorded field names, and two *texts*: part 0 with the prompt, part 1 with everything the answer
said. Texts are JSON, compressed; their first byte names the format (1: zlib).

Times are microseconds since 1970. A member that has no value is absent.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, TypeVar

from aigateway.caller.clients import Client
from aigateway.caller.lineage import Lineage
from aigateway.clock import from_micros, micros
from aigateway.interception import Charge, Closed, Credential, Heard, Opened, Parents
from aigateway.transcript.facts import (
    AnsweredCall,
    Dialect,
    Prompt,
    Thought,
    TokenUsage,
    ToolUsage,
)

Document = dict[str, Any]
Value = TypeVar("Value")

ZLIB = b"\x01"
FACTS: Mapping[str, Callable[..., TokenUsage | ToolUsage | Thought]] = {
    "usage": TokenUsage,
    "tool": ToolUsage,
    "thought": Thought,
}
TEXT_ONLY = ("prompt",)
PARTED = ("client", "lineage", "credential", "parents")
CLOSED_TEXTS = ("rows", "notes", "error_message")


def packed(document: object) -> bytes:
    """Compress a document. Equal documents give equal bytes.

    A JSON string may hold half of a surrogate pair (RFC 8259 section 8.2); it is kept.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return ZLIB + zlib.compress(text.encode("utf-8", "surrogatepass"), 6)


def unpacked(piece: bytes) -> Document:
    """Undo ``packed``. Raises ``ValueError`` when the bytes are not of our making."""
    if piece[:1] != ZLIB:
        raise ValueError("the format byte is unknown")
    try:
        document = json.loads(zlib.decompress(piece[1:]))
    except zlib.error as broken:
        raise ValueError("the compressed text is broken") from broken
    if not isinstance(document, dict):
        raise ValueError("the text is no document")  # noqa: TRY004 - one kind of error for all
    return document


def _present(document: Document) -> Document:
    return {name: value for name, value in document.items() if value not in (None, (), {}, [])}


def _time(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def _micros(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def opened_row(opened: Opened) -> Document:
    """Return the flat document of an opened record, without its prompt."""
    flat = {
        field.name: getattr(opened, field.name)
        for field in fields(Opened)
        if field.name not in TEXT_ONLY + PARTED
    }
    flat |= {
        "client": opened.client.name,
        "client_version": opened.client.version,
        "user_agent": opened.client.user_agent,
        **asdict(opened.lineage),
        "credential_kind": opened.credential.kind,
        "credential_hint": opened.credential.hint,
        **_parents_row(opened.parents),
        "dialect": str(opened.dialect),
        "started_at": micros(opened.started_at),
        "expires_at": _micros(opened.expires_at),
        "answered_calls": [[c.call_id, c.is_error, c.result_bytes] for c in opened.answered_calls],
        "metadata": dict(opened.metadata),
        "has_prompt": opened.prompt is not None,
    }
    return _present(flat)


def opened_text(opened: Opened) -> bytes | None:
    """Return part 0, or nothing where the request has no prompt."""
    return None if opened.prompt is None else packed({"prompts": [asdict(opened.prompt)]})


def opened_from(row: Document, part: bytes | None = None) -> Opened:
    """Undo ``opened_row`` and ``opened_text``; without ``part`` the prompt is missing."""
    get = row.get
    plain = {
        field.name: row[field.name]
        for field in fields(Opened)
        if field.name in row and field.name not in TEXT_ONLY + PARTED
    }
    prompts = unpacked(part)["prompts"] if part is not None else []
    return Opened(
        **plain
        | {
            "streaming": bool(row["streaming"]),
            "client": Client(row["client"], get("client_version"), get("user_agent") or ""),
            "lineage": Lineage(
                get("client_session_id"),
                get("agent_id"),
                get("parent_session_id"),
                bool(get("auxiliary")),
            ),
            "credential": Credential(row["credential_kind"], get("credential_hint")),
            "parents": _parents_from(row),
            "dialect": Dialect(row["dialect"]),
            "started_at": from_micros(row["started_at"]),
            "expires_at": _time(get("expires_at")),
            "answered_calls": tuple(
                AnsweredCall(call_id, None if is_error is None else bool(is_error), size)
                for call_id, is_error, size in get("answered_calls", ())
            ),
            "metadata": get("metadata", {}),
            "prompt": Prompt(**prompts[0]) if prompts else None,
        }
    )


def closed_row(closed: Closed) -> Document:
    """Return the flat document of a closing, without its texts.

    ``closing_credential_hint``, ``closing_thread_parent_id`` and ``closing_thread_root_id`` are
    what the closing adds to members that the opened row may have too.
    """
    flat = {
        field.name: getattr(closed, field.name)
        for field in fields(Closed)
        if field.name not in ("id", "parents", "credential_hint", *CLOSED_TEXTS)
    }
    parents = {f"closing_{name}": value for name, value in _parents_row(closed.parents).items()}
    flat |= parents | {
        "closing_credential_hint": closed.credential_hint,
        "ended_at": micros(closed.ended_at),
        "first_byte_at": _micros(closed.first_byte_at),
        "tokens": dict(closed.tokens),
        "cost_micros": closed.cost_micros,
        "late": dict(closed.late),
        "calls": [list(call) for call in closed.calls],
    }
    return _present(flat)


LATE = ("outcome", "ended_at", "error_type", "http_status", "stop_reason", "provider_response_id")


def late_row(closed: Closed) -> Document:
    """Return what a closing that came too late has to say: its end, tokens and cost."""
    row = closed_row(closed)
    return {name: row[name] for name in (*LATE, "tokens", "cost_micros") if name in row}


def closed_text(closed: Closed) -> bytes:
    """Return part 1: rows, notes and the whole error message."""
    kinds = {made: kind for kind, made in FACTS.items()}
    rows = [
        {
            "kind": kinds[type(row.fact)],
            "sequence": row.sequence,
            "created_at": micros(row.created_at),
            "fact": asdict(row.fact),
            **({"charge": asdict(row.charge)} if row.charge else {}),
        }
        for row in closed.rows
    ]
    texts = {"rows": rows, "notes": dict(closed.notes), "error_message": closed.error_message}
    return packed(_present(texts))


def closed_from(id: str, row: Document, part: bytes | None = None) -> Closed:  # noqa: A002 - the field's name
    """Undo ``closed_row`` and ``closed_text``; without ``part`` rows and notes are missing."""
    texts = unpacked(part) if part is not None else {}
    plain = {
        field.name: row[field.name]
        for field in fields(Closed)
        if field.name in row and field.name not in ("id", "parents", "credential_hint")
    }
    parents = {
        name.removeprefix("closing_"): value
        for name, value in row.items()
        if name.startswith("closing_thread_")
    }
    return Closed(
        **plain
        | {
            "id": id,
            "ended_at": from_micros(row["ended_at"]),
            "first_byte_at": _time(row.get("first_byte_at")),
            "usage_missing": bool(row.get("usage_missing")),
            "usage_partial": bool(row.get("usage_partial")),
            "parents_unknown": bool(row.get("parents_unknown")),
            "credential_hint": row.get("closing_credential_hint"),
            "parents": _parents_from(parents),
            "error_message": texts.get("error_message", row.get("error_message")),
            "notes": texts.get("notes", {}),
            "rows": tuple(_heard(document) for document in texts.get("rows", ())),
        }
    )


def _heard(document: Document) -> Heard:
    fact = FACTS[document["kind"]](**document["fact"])
    charge = Charge(**document["charge"]) if "charge" in document else None
    return Heard(document["sequence"], from_micros(document["created_at"]), fact, charge)


def _parents_row(parents: Parents | None) -> Document:
    return asdict(parents) if parents is not None else {}


def _parents_from(row: Document) -> Parents | None:
    if not row.get("thread_root_id"):
        return None
    return Parents(row["thread_parent_id"], row["thread_root_id"])
