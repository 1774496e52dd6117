"""What arrived at the scripted provider, request by request, for the tests to look at."""

import base64
import hashlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, final

MOST_ENTRIES = 2_000
MOST_MOMENTS = 200
MOST_BODY_BYTES = 64 * 1024 * 1024
"""Older entries go first where either bound is passed."""


@final
@dataclass(slots=True)
class Entry:
    """One request, from its head on.

    ``complete`` turns true with the last byte of the body; a request that was held back or given
    up stays false, ``body_bytes`` says how much of it came. ``ended`` is None while the answer is
    under way, then ``clean``, ``cut`` (by the script) or ``left`` (by the client).
    ``response_sha256`` is over the bytes sent, as encoded; ``sent_at`` says of the first 200
    pieces when each left, in Unix seconds, and how many bytes had left with it.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    status: int | None = None
    request_id: str | None = None
    ended: str | None = None
    response_bytes: int = 0
    sent: Any = field(default_factory=hashlib.sha256)
    sent_at: list[tuple[float, int]] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, Any] = field(default_factory=dict)

    def note_sent(self, chunk: bytes) -> None:
        self.response_bytes += len(chunk)
        self.sent.update(chunk)
        if len(self.sent_at) < MOST_MOMENTS:
            self.sent_at.append((time.time(), self.response_bytes))

    def document(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "target": self.target,
            "headers": self.headers,
            "body_base64": base64.b64encode(self.body).decode(),
            "body_sha256": hashlib.sha256(self.body).hexdigest(),
            "body_bytes": len(self.body),
            "complete": self.complete,
            "status": self.status,
            "request_id": self.request_id,
            "ended": self.ended,
            "response_bytes": self.response_bytes,
            "response_sha256": self.sent.hexdigest(),
            "sent_at": self.sent_at,
            "asked": self.asked,
            "answered": self.answered,
        }


@final
class Log:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MOST_ENTRIES)

    def arrived(self, entry: Entry) -> None:
        self._entries.append(entry)
        held = sum(len(old.body) for old in self._entries)
        while held > MOST_BODY_BYTES and len(self._entries) > 1:
            held -= len(self._entries.popleft().body)

    def reset(self) -> None:
        self._entries.clear()

    def documents(self) -> list[dict[str, Any]]:
        return [entry.document() for entry in self._entries]
