"""Records ↔ lines of a file: one JSON object each, the same bytes for the same record.

A line holds the pieces that stores are given: the opened row, the prompt, the closed row, and
what the answer said. Its members are sorted and its characters are ASCII. Half of a surrogate
pair is kept in texts; elsewhere it is ``?``, as in the stores.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, final

from aigateway.clock import micros, milliseconds_of
from aigateway.errors import GatewayError
from aigateway.ledger.documents import (
    Document,
    closed_from,
    closed_row,
    closed_text,
    opened_from,
    opened_row,
    opened_text,
    packed,
    unpacked,
)
from aigateway.ledger.expressions import well_formed
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception, whole
from aigateway.ledger.store import Reading

VERSION = 1
EVERYTHING = Reach(None)
LINE_LIMIT = 256 * 1024 * 1024


@final
class LineInvalid(GatewayError):
    """A line is no record, or one of a release that knows more."""


def line_of(row: Interception) -> bytes:
    """Return the line of a whole record."""
    text = json.dumps(_document(row), sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def _document(row: Interception) -> Document:
    opened, closed = row.opened, row.closed
    document: Document = {"v": VERSION, "opened": _clean(opened_row(opened))}
    if (prompt := opened_text(opened)) is not None:
        document["prompt"] = unpacked(prompt)["prompts"][0]
    if closed is not None:
        document["closed"] = _clean(closed_row(closed))
        document["answer"] = unpacked(closed_text(closed))
    if row.payload_error is not None:
        document["payload_error"] = row.payload_error
    return document


def _clean(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    match value:
        case str():
            return well_formed(value)
        case dict():
            return {well_formed(name): _clean(member) for name, member in value.items()}
        case list() | tuple():
            return [_clean(member) for member in value]
    return value


def row_in(line: bytes) -> Interception:
    """Undo ``line_of``; that a text was unreadable becomes a note. Raises ``LineInvalid``."""
    try:
        document = json.loads(line)
        if document["v"] != VERSION:
            raise LineInvalid(f"version {document['v']!r} is not {VERSION}: a newer release's file")
        row = _row(document)
        written = json.loads(line_of(row)) | {"payload_error": document.get("payload_error")}
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as wrong:
        raise LineInvalid("not a record") from wrong
    except ValueError as wrong:
        raise LineInvalid("not a whole line of JSON, or not a record") from wrong
    if not _holds(written, document):
        raise LineInvalid("a member that this release does not know")
    if milliseconds_of(row.id) != micros(row.opened.started_at) // 1000:
        raise LineInvalid("the id does not tell the time of the start")
    return _with_note(row, document.get("payload_error"))


def _row(document: Document) -> Interception:
    prompt = packed({"prompts": [document["prompt"]]}) if "prompt" in document else None
    opened = opened_from(document["opened"], prompt)
    if "closed" not in document:
        return whole(opened, None)
    closed = closed_from(opened.id, document["closed"], packed(document["answer"]))
    return whole(opened, closed)


def _with_note(row: Interception, payload_error: str | None) -> Interception:
    if payload_error is None or row.closed is None:
        return row
    notes = {**row.closed.notes, "payload_error": payload_error}
    return whole(row.opened, replace(row.closed, notes=notes))


def _holds(written: Any, read: Any) -> bool:  # noqa: ANN401 - JSON of any shape
    """Whether all that was read was understood; what is absent may have got its default."""
    if isinstance(read, dict) and isinstance(written, dict):
        return all(name in written and _holds(written[name], read[name]) for name in read)
    if isinstance(read, list) and isinstance(written, list):
        pairs = zip(written, read, strict=False)
        return len(read) == len(written) and all(_holds(mine, theirs) for mine, theirs in pairs)
    return type(read) is type(written) and bool(read == written)


async def recorded(
    store: Reading, wanted: Filter, window: Window
) -> AsyncGenerator[Interception, None]:
    """Yield whole records, newest first, in the same order whichever store they are in.

    A store orders what began in one millisecond in its own way, so that much is held and sorted.
    """
    held: list[Interception] = []
    while True:
        page = await store.interceptions(wanted, EVERYTHING, window)
        for row in page.rows:
            if held and _moment(row) != _moment(held[0]):
                for each in _sorted(held):
                    yield each
                held = []
            held.append(row)
        if page.next_cursor is None:
            break
        window = replace(window, cursor=page.next_cursor)
    for each in _sorted(held):
        yield each


def _moment(row: Interception) -> int:
    return micros(row.opened.started_at) // 1000


def _sorted(rows: list[Interception]) -> list[Interception]:
    return sorted(rows, key=lambda row: row.id, reverse=True)
