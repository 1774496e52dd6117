"""The provider of the load: streams at the asked pace, and an account of what it was asked.

``python -m bench.load.provider`` prints its port and serves until it is ended. ``GET /_log`` is a
JSON object: by the number of a request how often it came, and whether its answer went out whole.
"""

import asyncio
import json
import sys
from collections import Counter
from typing import final

from bench.load.conversation import answer
from bench.traffic import LAST_CHUNK, RESPONSE_HEAD
from bench.upstream import EVENTS, GAP, NUMBER, length_in, number_in

DIALECTS = {b"messages": "messages", b"completions": "chat", b"responses": "responses"}


@final
class Account:
    """How often each request came, and which answers went out to the last byte."""

    def __init__(self) -> None:
        self.came: Counter[int] = Counter()
        self.whole: set[int] = set()

    def text(self) -> bytes:
        return json.dumps({n: [came, n in self.whole] for n, came in self.came.items()}).encode()


@final
class Peer(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, account: Account) -> None:
        self._account = account
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
        if len(self._held) < at + 4 + length_in(head):
            return
        self._held.clear()
        assert self._transport is not None
        if head.startswith(b"GET "):
            text = self._account.text()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(text))
            self._transport.write(text)
            return
        self._answer(head)

    def _answer(self, head: bytes) -> None:
        number = number_in(NUMBER, head)
        self._account.came[number] += 1
        name = head.split(b" ", 2)[1].rpartition(b"/")[2]
        events = answer(DIALECTS[name], number_in(EVENTS, head)).of(number)
        self._write(events, 0, number, self._loop.time(), number_in(GAP, head) / 1e6)

    def _write(
        self, events: tuple[bytes, ...], at: int, number: int, due: float, gap: float
    ) -> None:
        """Write an event: the head goes with the first, the end with the last."""
        assert self._transport is not None
        if self._transport.is_closing():
            return
        chunk = b"%x\r\n%b\r\n" % (len(events[at]), events[at])
        if at == 0:
            chunk = RESPONSE_HEAD + chunk
        if at + 1 == len(events):
            self._account.whole.add(number)
            self._transport.write(chunk + LAST_CHUNK)
            return
        self._transport.write(chunk)
        self._loop.call_at(due + gap, self._write, events, at + 1, number, due + gap, gap)


async def serve() -> None:
    account = Account()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(account), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
