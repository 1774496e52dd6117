"""One event on its way through a sandbox, and what the function answers, as it comes."""

import asyncio
import json
import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import final

HELD_BYTES = 256 * 1024
"""So much of an answer waits for a slow caller; then the function has to wait as well."""


@final
class Fault(Exception):
    """The function gave no answer, or none to the end. ``document``: the JSON that says why."""

    def __init__(self, error_type: str, message: str, document: bytes = b"") -> None:
        super().__init__(f"{error_type}: {message}")
        told = {"errorMessage": message, "errorType": error_type}
        self.error_type = error_type
        self.document = document or json.dumps(told).encode()


@final
@dataclass(frozen=True, slots=True)
class Begun:
    """How an answer is sent: ``streamed``, or in one piece."""

    content_type: str
    streamed: bool


@final
class Invocation:
    """One event and its answer.

    The sandbox calls ``begin``, ``put`` and ``end``; the caller awaits ``begun``, then ``piece``
    until it is ``None``. ``trace``: the trace header's text. ``deadline``: Unix seconds, 0 before
    the function's time has begun to run.
    """

    def __init__(self, event: bytes, request_id: str = "", trace: str = "") -> None:
        self.event = event
        self.request_id = request_id or str(uuid.uuid4())
        self.trace = trace
        self.deadline = 0.0
        self._begun: Begun | None = None
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._over = False
        self._fault: Fault | None = None
        self._left = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def over(self) -> bool:
        return self._over

    def start(self, timeout_seconds: float) -> None:
        self.deadline = time.time() + timeout_seconds

    def seconds_left(self) -> float:
        return self.deadline - time.time()

    def begin(self, content_type: str, *, streamed: bool) -> None:
        self._begun = Begun(content_type, streamed)
        self._news.set()

    async def put(self, piece: bytes) -> None:
        """Hand a piece to the caller; wait while it is slow. Nobody reads for one that left."""
        await self._room.wait()
        if self._left or self._over:
            return
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held >= HELD_BYTES:
            self._room.clear()
        self._news.set()

    def end(self, fault: Fault | None = None) -> None:
        """Say that the answer is whole, or why it is not. Only the first end counts."""
        if not self._over:
            self._over, self._fault = True, fault
            self._room.set()
            self._news.set()

    async def begun(self) -> Begun:
        """Wait for the answer's beginning. Raises ``Fault`` when there will be none."""
        while self._begun is None:
            if self._fault is not None:
                raise self._fault
            await self._next_news()
        return self._begun

    async def piece(self) -> bytes | None:
        """Wait for the next piece, ``None`` at the end. Raises ``Fault`` where it breaks off."""
        while not self._pieces:
            if self._fault is not None:
                raise self._fault
            if self._over:
                return None
            await self._next_news()
        piece = self._pieces.popleft()
        self._held -= len(piece)
        if self._held < HELD_BYTES:
            self._room.set()
        return piece

    async def whole(self) -> bytes:
        await self.begun()
        pieces = []
        while (piece := await self.piece()) is not None:
            pieces.append(piece)
        return b"".join(pieces)

    def leave(self) -> None:
        """The caller reads no further; the function runs on and does not notice."""
        self._left = True
        self._pieces.clear()
        self._held = 0
        self._room.set()

    async def _next_news(self) -> None:
        self._news.clear()
        await self._news.wait()
