"""What the providers of benchmarks share: requests in, events out at the pace that was asked for.

Every event is a write of its own, so that a relay sees them one by one, as a model would send
them.
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from bench.traffic import LAST_CHUNK, RESPONSE_HEAD

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
EVENTS = re.compile(rb"\r\nx-bench-events: *(\d+)", re.IGNORECASE)
GAP = re.compile(rb"\r\nx-bench-gap-us: *(\d+)", re.IGNORECASE)
NUMBER = re.compile(rb"\r\nx-bench-number: *(\d+)", re.IGNORECASE)


def writes(events: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return an answer as it is written: head and first event together, the end with the last."""
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    chunks[0] = RESPONSE_HEAD + chunks[0]
    chunks[-1] += LAST_CHUNK
    return tuple(chunks)


def number_in(pattern: re.Pattern[bytes], head: bytes) -> int:
    """Return the number that a head holds there, or 0."""
    found = pattern.search(head)
    return int(found.group(1)) if found else 0


def length_in(head: bytes) -> int:
    """Return how long the body behind a request's head is."""
    return number_in(LENGTH, head)


class Paced(asyncio.Protocol, ABC):
    """One connection; requests come one after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._held = bytearray()
        self._transport: asyncio.Transport | None = None

    @abstractmethod
    def requested(self, head: bytes) -> None:
        """Answer a request that came whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        at = self._held.find(b"\r\n\r\n")
        if at < 0:
            return
        head = bytes(self._held[:at])
        if len(self._held) < at + 4 + length_in(head):
            return
        self._held.clear()
        self.requested(head)

    def write(self, content: bytes) -> None:
        assert self._transport is not None
        self._transport.write(content)

    def stream(
        self, answer: Sequence[bytes], gap: float, over: Callable[[], object] | None = None
    ) -> None:
        """Write the pieces of an answer, ``gap`` seconds apart, and say when it is ``over``."""
        self._write_from(answer, 0, self._loop.time(), gap, over)

    def _write_from(
        self,
        answer: Sequence[bytes],
        at: int,
        due: float,
        gap: float,
        over: Callable[[], object] | None,
    ) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        is_last = at + 1 == len(answer)
        if is_last and over is not None:
            over()
        self._transport.write(answer[at])
        if is_last:
            return
        if gap:
            self._loop.call_at(due + gap, self._write_from, answer, at + 1, due + gap, gap, over)
        else:
            self._loop.call_soon(self._write_from, answer, at + 1, due, gap, over)


async def serve(connection: Callable[[], Paced]) -> None:
    """Print a port, and serve on it until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
