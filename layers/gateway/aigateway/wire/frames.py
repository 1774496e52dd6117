"""Frames: one event of a stream, or a whole body; and what cuts bytes into them."""

from dataclasses import dataclass
from typing import Protocol, final

from aigateway.errors import Misheard

FRAME_LIMIT_BYTES = 4 * 1024 * 1024
"""No event of a provider comes near this; beyond it the listener gives up, not the relay."""

BODY_LIMIT_BYTES = 64 * 1024 * 1024
"""The most that is kept of a body that comes in one piece."""


@final
@dataclass(frozen=True, slots=True)
class Frame:
    """``event`` is the name on the ``event:`` line, "" where there is none; ``None``: a body."""

    event: str | None
    data: bytes


class Framer(Protocol):
    """Cuts decoded body bytes into frames, whatever the chunk boundaries."""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that ``chunk`` completed. Raises ``Misheard``."""

    def end(self) -> list[Frame]:
        """Return what only the end of the body completes. Raises ``Misheard``."""


@final
class BodyFramer:
    """A blocking response is a stream of one frame, complete at the end of the body."""

    def __init__(self, limit: int = BODY_LIMIT_BYTES) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        self._size += len(chunk)
        if self._size > self._limit:
            self._pieces.clear()
            raise Misheard("frame_too_large")
        self._pieces.append(chunk)
        return []

    def end(self) -> list[Frame]:
        body = b"".join(self._pieces)
        self._pieces.clear()
        return [Frame(None, body)] if body else []
