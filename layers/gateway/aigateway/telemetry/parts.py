"""Cuts a line that is too long for where it goes into several.

CloudWatch Logs took 256 KiB an event before it took 1 MiB (API reference, ``InputLogEvent``, read
2026-07), and other sinks still do. Every part is a whole line with the same ids.
"""

import json
from collections.abc import Iterator

from aigateway.telemetry.masking import masked_text

Fields = dict[str, object]

LINE_BYTES = 240 * 1024
FRAME_BYTES = 8 * 1024
"""Of them for what a formatter adds: time, level, place, the ids of the call."""

NUMBERS_BYTES = 32
LEAST_BYTES = 4 * 1024
"""A piece is never smaller, so that nothing can make very many of a text."""


def in_parts(fields: Fields, limit: int = LINE_BYTES - FRAME_BYTES) -> Iterator[Fields]:
    """Yield the members, or, where they are longer than ``limit`` bytes of JSON, their parts.

    The longest text is cut, at a character's boundary. What must be masked is masked before, so
    that no half of a credential is left over.
    """
    if encoded_bytes(fields) <= limit:
        yield fields
        return
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    name = max(texts, key=lambda name: len(texts[name]))
    frame = fields | {name: "", "part": 0, "parts": 0}
    room = max(limit - encoded_bytes(frame) - NUMBERS_BYTES, LEAST_BYTES)
    pieces = [*_pieces(masked_text(texts[name]), room)]
    for number, piece in enumerate(pieces, 1):
        yield fields | {name: piece, "part": number, "parts": len(pieces)}


def encoded_bytes(value: object) -> int:
    """Return the size of a value as JSON in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def _pieces(text: str, room: int) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = min(room, len(text) - at)
        while size > 1 and (found := encoded_bytes(text[at : at + size]) - 2) > room:
            size = max(min(size - 1, size * room // found), 1)
        yield text[at : at + size]
        at += size
