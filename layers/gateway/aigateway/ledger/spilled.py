"""A record that could not be closed, as a log or a file keeps it until it is stored.

It is a line of an export (``transfer``), so that nothing is missing when it is read back.
"""

from dataclasses import replace

from aigateway.interception import Closed, Heard, Opened
from aigateway.ledger.rows import whole
from aigateway.ledger.transfer import line_of
from aigateway.transcript.facts import Thought, ToolUsage

NOT_LOGGED = {"content": "not_logged"}
"""The note of a record whose texts were left out on purpose."""


def text_of(opened: Opened, closed: Closed, *, content: bool) -> str:
    """Return all of a record as JSON; without ``content`` nothing that people or models said."""
    if not content:
        opened, closed = _without_texts(opened, closed)
    return line_of(whole(opened, closed)).decode().rstrip("\n")


def _without_texts(opened: Opened, closed: Closed) -> tuple[Opened, Closed]:
    prompt = opened.prompt and replace(opened.prompt, text="", truncated=True)
    told = replace(
        closed,
        error_message=None,
        notes={**closed.notes, **NOT_LOGGED},
        rows=tuple(map(_without_text, closed.rows)),
    )
    return replace(opened, prompt=prompt), told


def _without_text(row: Heard) -> Heard:
    match row.fact:
        case ToolUsage() as call:
            return replace(row, fact=replace(call, input="", input_format="partial"))
        case Thought() as thought:
            return replace(row, fact=replace(thought, text="", truncated=True))
    return row
