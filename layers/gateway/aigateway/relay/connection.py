"""One connection to a provider, for one request at a time.

    idle ──begin──▶ asked ──finish──▶ sent ──head──▶ answered ──end of the body──▶ ended
     ▲                                                                               │
     └────────────────────────── rest, if it may be kept ◀───────────────────────────┘

An answer may come before all of the request is sent; it waits until somebody asks for it. A
connection is lost at the peer's end of stream or reset, at malformed bytes, at bytes that
nobody asked for, and by ``abort``; what had come before stays readable.

Nothing is polled: the loop calls when bytes come, and wakes whoever waits. Waiting needs one
timer a connection, moved only when it rings, or would ring too late.
"""

import asyncio
import select
from collections.abc import Callable
from typing import cast, final

from aigateway.errors import UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from aigateway.relay.http1 import Response
from aigateway.wire.messages import ResponseHead

WRITTEN_AT_ONCE_BYTES = 64 << 10
UNREAD_LIMIT = 256 << 10
"""So much of a body waits for a slow reader, and one read more; then the provider waits."""

REFUSED = 400
"""An early answer from here on says that the rest of the request is not wanted."""


@final
class Connection(asyncio.BufferedProtocol):
    """``into`` is where the loop puts what it reads; it is free again when a callback returns.

    ``on_lost`` is called once, when the connection is gone.
    """

    def __init__(self, into: memoryview, on_lost: Callable[["Connection"], None]) -> None:
        self.kept_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._into = into
        self._on_lost = on_lost
        self._connected: asyncio.Transport | None = None
        self._response: Response | None = None
        self._sent = False
        self._writable = True
        self._paused = False
        self._lost = False
        self._waiter: asyncio.Future[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    async def begin(
        self, head: bytes, body: bytes | memoryview, *, bodiless: bool, idle_seconds: float
    ) -> None:
        """Send all of a request but what ``finish`` gets; stop where nobody takes the rest.

        ``bodiless``: the answer has no body (HEAD). Raises ``UpstreamTimeout`` when the
        provider takes nothing for so long.
        """
        self._sent = False
        self._response = Response(bodiless=bodiless)
        transport = self._transport
        if len(body) <= WRITTEN_AT_ONCE_BYTES:
            transport.write(b"".join((head, body)))
            return
        transport.write(head)
        rest = memoryview(body)
        while rest and not self._refused and not transport.is_closing():
            if self._writable:
                transport.write(rest[:WRITTEN_AT_ONCE_BYTES])
                rest = rest[WRITTEN_AT_ONCE_BYTES:]
            elif not await self._wait(self._loop.time() + idle_seconds):
                raise UpstreamTimeout("the provider does not take the request")

    def finish(self, held: bytes) -> bool:
        """Send the last of a request; false if it could not be, and nothing was answered."""
        if self._refused:
            return True
        if held and not self.is_closing:
            self._transport.write(held)
        self._sent = not self.is_closing
        return self._sent or self._asked.head is not None or self._asked.malformed

    async def answered(self, seconds: float) -> ResponseHead:
        """Return the head. Raises ``UpstreamUnreachable``, ``UpstreamTimeout``."""
        response = self._asked
        deadline = self._loop.time() + seconds
        while response.head is None:
            if response.malformed:
                raise UpstreamUnreachable("the provider's answer is not HTTP/1.1")
            if self._lost:
                raise UpstreamUnreachable("the provider broke off before its answer")
            if not await self._wait(deadline):
                raise UpstreamTimeout("the provider sent no answer in time")
        return response.head

    async def read(self, idle_seconds: float) -> bytes | None:
        """Return what has come of the body, or nothing at its end. Raises ``UpstreamCut``."""
        response = self._asked
        while not response.unread_bytes:
            if response.ended:
                return None
            if self._lost:
                raise UpstreamCut("the provider broke off")
            if not await self._wait(self._loop.time() + idle_seconds):
                raise UpstreamCut("the provider fell silent")
        self._resume()
        return response.take()

    @property
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    @property
    def has_ended(self) -> bool:
        """Tell whether a resting connection is over, also where the loop was not told yet.

        A process that was frozen has not heard what the peer did meanwhile. Whatever there is to
        read, nobody asked for it: it is the end, or as good as that.
        """
        if self.is_closing:
            return True
        held = self._transport.get_extra_info("socket")
        if held is None:
            return False
        waiting = select.poll()
        waiting.register(held, select.POLLIN)
        return bool(waiting.poll(0))

    @property
    def may_be_kept(self) -> bool:
        """Tell whether request and answer are over, and the next request may follow."""
        over = self._sent and self._asked.ended and self._asked.persistent
        return over and not self.is_closing and self._transport.get_write_buffer_size() == 0

    def rest(self) -> None:
        """Wait for the next request; what comes before it, be it the end, is a loss."""
        self._response = None
        self._resume()

    def abort(self) -> None:
        if self._connected is not None:
            self._connected.abort()

    @property
    def _transport(self) -> asyncio.Transport:
        assert self._connected is not None  # noqa: S101 - nothing is asked before it is connected
        return self._connected

    @property
    def _asked(self) -> Response:
        assert self._response is not None  # noqa: S101 - it is between begin and rest
        return self._response

    @property
    def _refused(self) -> bool:
        head = self._asked.head
        return self._asked.ended or (head is not None and head.status >= REFUSED)

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    async def _wait(self, deadline: float) -> bool:
        """Wait until something happens; false at the deadline, which is in the loop's time."""
        self._deadline = deadline
        if self._timer is not None and self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._ring)
        self._waiter = self._loop.create_future()
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._ring)
        else:
            self._waiter.set_result(False)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connected = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self._into

    def buffer_updated(self, nbytes: int) -> None:
        response = self._response
        if response is None or response.ended:
            self.abort()
            return
        response.feed(self._into[:nbytes])
        if response.malformed:
            self.abort()
        elif response.unread_bytes >= UNREAD_LIMIT and not response.ended:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Let the peer's end close the connection.

        Neither a reset comes by here, nor TLS that ends without saying so: they end no body.
        """
        if self._response is not None:
            self._response.feed_end()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._lost = True
        if self._response is not None:
            self._response.let_go()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake()
