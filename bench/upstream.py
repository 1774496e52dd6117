"""A provider that does as little as it can: a fixed event stream, at the pace the request asks.

``python -m bench.upstream`` prints its port and serves until it is ended. Every event is a write
of its own, so that a relay sees them one by one, as a model would send them.
"""

import asyncio
import re
import sys
from typing import final

from bench.traffic import LAST_CHUNK, RESPONSE_HEAD, stream

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
EVENTS = re.compile(rb"\r\nx-bench-events: *(\d+)", re.IGNORECASE)
GAP = re.compile(rb"\r\nx-bench-gap-us: *(\d+)", re.IGNORECASE)
NUMBER = re.compile(rb"\r\nx-bench-number: *(\d+)", re.IGNORECASE)


def writes(events: int) -> tuple[bytes, ...]:
    """Return the answer as it is written: head and first event together, the end with the last."""
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in stream(events)]
    chunks[0] = RESPONSE_HEAD + chunks[0]
    chunks[-1] += LAST_CHUNK
    return tuple(chunks)


def length_in(head: bytes) -> int:
    """Return how long the body behind a request's head is."""
    return number_in(LENGTH, head)


def number_in(pattern: re.Pattern[bytes], head: bytes) -> int:
    """Return the number that a head holds there, or 0."""
    found = pattern.search(head)
    return int(found.group(1)) if found else 0


@final
class Peer(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, answers: dict[int, tuple[bytes, ...]]) -> None:
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._held = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        at = self._held.find(b"\r\n\r\n")
        if at < 0:
            return
        head = bytes(self._held[:at])
        if len(self._held) < at + 4 + number_in(LENGTH, head):
            return
        self._held.clear()
        events = number_in(EVENTS, head)
        if events not in self._answers:
            self._answers[events] = writes(events)
        self._write(self._answers[events], 0, self._loop.time(), number_in(GAP, head) / 1e6)

    def _write(self, answer: tuple[bytes, ...], at: int, due: float, gap: float) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        self._transport.write(answer[at])
        if at + 1 == len(answer):
            return
        if gap:
            self._loop.call_at(due + gap, self._write, answer, at + 1, due + gap, gap)
        else:
            self._loop.call_soon(self._write, answer, at + 1, due, gap)


async def serve() -> None:
    answers: dict[int, tuple[bytes, ...]] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(answers), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
