"""Frames as JSON: one event of a stream, or a whole body."""

from collections.abc import Mapping
from typing import Any

from aigateway.errors import Misheard
from aigateway.transcript.notebook import Notebook
from aigateway.wire.frames import Frame
from aigateway.wire.jsontext import loads


def read_event(frame: Frame, notebook: Notebook) -> Mapping[str, Any] | None:
    """Read an event of a stream; one that cannot be read is counted, and the stream goes on.

    An event named ``error`` is one in any words: its text stands for the error object.
    """
    try:
        event = loads(frame.data, torn=True)
    except Misheard:
        if frame.event == "error":
            return {"type": "error", "error": frame.data.decode("utf-8", "replace")}
        notebook.note("unreadable_events")
        return None
    return event if isinstance(event, dict) else None


def read_body(data: bytes) -> Mapping[str, Any] | None:
    """Read a whole body; ``None``: it is no JSON object. Raises ``Misheard("too_deep")``."""
    try:
        body = loads(data, torn=True)
    except Misheard as fault:
        if fault.reason != "not_json":
            raise
        return None
    return body if isinstance(body, dict) else None
