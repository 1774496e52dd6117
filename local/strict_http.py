"""A client's connection under uvicorn: strict HTTP/1.1, bounded, and in time.

A deployed gateway has the platform before it, a container nobody. What may be read in two ways is
refused (RFC 9112 section 11.2): another server on the way may have read it in the other one. What
is unread when a request is refused is thrown away for a while: a reset would reach the client
before its answer does.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aigateway.clock import SystemClock, uuid7
from aigateway.errors import HeadTooLarge, MalformedRequest, Refusal, RequestTimeout
from aigateway.pool.routes import dialect_of_path
from aigateway.relay.refusals import refused, shape_of
from aigateway.wire.messages import Headers, values

HEAD_BYTES = 64 << 10
HEADERS = 200
TOO_LARGE = f"the head is larger than {HEAD_BYTES} bytes, or has more than {HEADERS} fields"
LINGER_SECONDS = 5.0
"""So long may the rest of a request take that is answered already."""


@final
class StrictProtocol(HttpToolsProtocol):
    """What becomes a request for the app came whole and in time, head first.

    ``request_seconds``: so long may a request take to arrive, or a first one to begin;
    ``stalled_seconds``: so long may a client take nothing of its answer. ``count`` is told of
    what is refused here, of which the app hears nothing.
    """

    def __init__(
        self,
        *given: Any,  # noqa: ANN401 - uvicorn's own
        request_seconds: float,
        stalled_seconds: float,
        count: Callable[[Refusal], Coroutine[Any, Any, None]],
        **named: Any,  # noqa: ANN401 - likewise
    ) -> None:
        super().__init__(*given, **named)
        self._request_seconds = request_seconds
        self._stalled_seconds = stalled_seconds
        self._count = count
        self._reads_head = True
        self._head_bytes = 0
        self._is_whole = True
        self._is_refused = False
        self._found: Refusal | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        super().connection_made(transport)
        connected: socket.socket = transport.get_extra_info("socket")
        if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, int(self._stalled_seconds * 1000))
        self._within(self._request_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        read_head = self._reads_head
        super().data_received(data)
        if read_head and self._reads_head and not self._is_refused:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(HeadTooLarge(TOO_LARGE))
        if self._timer is None and self._is_answered:
            self._within(self._request_seconds)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reads_head, self._is_whole, self._head_bytes = True, False, 0
        self._within(self._request_seconds)

    def on_headers_complete(self) -> None:
        self._reads_head = False
        self._found = self._wrong_with_head()
        if self._found is not None:
            raise self._found
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._is_whole = True
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_answered and not self._is_whole and not self._reads_head:
            self._within(LINGER_SECONDS)

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._found or MalformedRequest(msg))

    def _wrong_with_head(self) -> Refusal | None:
        """Say what is wrong with the head besides its grammar, which the parser knows."""
        headers: Headers = tuple(self.headers)
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in headers)
        if size > HEAD_BYTES or len(headers) > HEADERS:
            return HeadTooLarge(TOO_LARGE)
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            return MalformedRequest("HTTP/1.1 is spoken here")
        hosts = len(values(headers, b"host"))
        if hosts > 1 or (version == "1.1" and not hosts):
            return MalformedRequest(f"expected one Host, found {hosts}")
        codings = values(headers, b"transfer-encoding")
        if codings and (version == "1.0" or [each.lower() for each in codings] != [b"chunked"]):
            return MalformedRequest("the one transfer coding is chunked")
        lengths = set(values(headers, b"content-length")) - {b"0"}
        if self.parser.should_upgrade() and (codings or lengths):
            return MalformedRequest("a request with a body cannot ask for another protocol")
        return None

    @property
    def _is_answered(self) -> bool:
        is_first = self.cycle is None
        return is_first or self.cycle.response_complete

    @property
    def _may_answer(self) -> bool:
        """Whether what is written now is the answer to what is being read."""
        is_own = not self._reads_head and not self._is_whole and not self.pipeline
        return self._is_answered or (is_own and not self.cycle.response_started)

    def _within(self, seconds: float) -> None:
        self._in_time()
        self._timer = self.loop.call_later(seconds, self._ring)

    def _in_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._is_refused:
            self.transport.close()
        elif self.pipeline or (self._reads_head and not self._is_answered):
            self._within(self._request_seconds)
        elif self._is_whole or (self._is_answered and not self._reads_head):
            self.transport.close()
        else:
            self._refuse(RequestTimeout("the request did not arrive in time"))

    def _refuse(self, error: Refusal) -> None:
        """Answer, if that would be understood as one, and read no further request."""
        self._is_refused = True
        counting = self.loop.create_task(self._count(error))
        self.tasks.add(counting)
        counting.add_done_callback(self.tasks.discard)
        if not self._may_answer:
            self.transport.close()
            return
        self.transport.write(self._answer(error))
        self.transport.write_eof()
        self._within(LINGER_SECONDS)
        if not self._is_answered:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _answer(self, error: Refusal) -> bytes:
        path: bytes = getattr(self, "url", b"").partition(b"?")[0]
        shape = shape_of(dialect_of_path(path), anthropic=False)
        own = refused(error, shape, uuid7(SystemClock().now()))
        length = (b"content-length", b"%d" % len(own.body))
        lines = [b"HTTP/1.1 %d %b" % (error.status, HTTPStatus(error.status).phrase.encode())]
        lines += [b"%b: %b" % each for each in (*own.headers, length, (b"connection", b"close"))]
        return b"\r\n".join([*lines, b"", own.body])
