"""A Function URL on this machine: HTTP in, payload 2.0 events to sandboxes, streamed answers out.

What the service does with a request before the function's code sees it, and with what the
function sends (Lambda guide, "urls-invocation" and "configuration-response-streaming"). AuthType
NONE, or AWS_IAM where signers are given, InvokeMode RESPONSE_STREAM. What clients must not rely on
is left as it is there: an answer that breaks off has no final chunk, and a streamed answer without
a byte of body never ends.
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import Mapping
from typing import final

from local.front.function import Function
from local.front.http1 import (
    CONTINUE,
    LAST_CHUNK,
    BadMessage,
    Body,
    Listener,
    Request,
    chunk,
    date,
    plain_response,
    read_request,
    response_head,
)
from local.front.invocation import Fault, Invocation
from local.front.prelude import CONTENT_TYPE, BadPrelude, Prelude, split
from local.front.url_event import Seen, encoded_event, new_trace, signer_of
from local.sandboxes import EVENT_LIMIT_BYTES, EventTooLarge, Sandboxes, Throttled

TOO_LARGE = (
    b'{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}'
)
THROTTLED = (
    b'{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}'
)
FORBIDDEN = b'{"Message":"Forbidden"}'
FAILED = b"Internal Server Error"
BODILESS = frozenset({204, 304})

logger = logging.getLogger(__name__)


@final
class FunctionUrl:
    """The URL of one function, with its sandboxes.

    ``signers``: access key to ARN, of those who may call; without it everybody may.
    """

    def __init__(self, function: Function, signers: Mapping[str, str] | None = None) -> None:
        self.sandboxes = Sandboxes(function)
        self._signers = signers
        self._listener = Listener(self._serve)

    async def start(self, listening: socket.socket | None = None) -> int:
        """Listen on a bound socket, or on a free port of loopback; return the port."""
        return await self._listener.start(listening)

    async def stop(self) -> None:
        """Break off what is under way and kill the sandboxes."""
        await self._listener.stop()
        await self.sandboxes.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        keeps_alive = True
        while keeps_alive:
            try:
                request = await read_request(reader)
                if request is None:
                    return
                body = Body(reader, request)
                exchange = Exchange(self.sandboxes, request, writer, self._signers)
                keeps_alive = await exchange.run(body)
            except BadMessage:
                writer.write(plain_response(400, [("Connection", "close")], b"Bad Request"))
                return
            await writer.drain()


@final
class Exchange:
    """One request and its answer."""

    def __init__(
        self,
        sandboxes: Sandboxes,
        request: Request,
        writer: asyncio.StreamWriter,
        signers: Mapping[str, str] | None,
    ) -> None:
        self._sandboxes = sandboxes
        self._is_open = signers is None
        self._request = request
        self._writer = writer
        self._seen = Seen(
            request_id=str(uuid.uuid4()),
            trace=new_trace(request.value("x-amzn-trace-id"), sampled=sandboxes.function.traces),
            source_ip=writer.get_extra_info("peername")[0],
            url_id=sandboxes.function.name,
            user_arn=None if signers is None else signer_of(request, signers),
        )

    async def run(self, body: Body) -> bool:
        """Answer the request; return whether the connection may be used again."""
        if not self._request.target.startswith("/"):
            raise BadMessage("no path")
        if "100-continue" in (self._request.value("expect") or "").lower():
            if body.length > EVENT_LIMIT_BYTES:
                self._refuse(413, TOO_LARGE)
                return False
            self._writer.write(CONTINUE)
        content = await body.whole(EVENT_LIMIT_BYTES)
        if not self._is_open and self._seen.user_arn is None:
            return self._refuse(403, FORBIDDEN)
        try:
            if content is None:
                raise EventTooLarge  # noqa: TRY301 - one answer for a body and for an event
            event = encoded_event(self._request, content, self._seen)
            invocation = await self._sandboxes.begin(event, self._seen.request_id, self._seen.trace)
        except EventTooLarge:
            return self._refuse(413, TOO_LARGE)
        except Throttled:
            return self._refuse(429, THROTTLED)
        try:
            return await self._relay(invocation)
        finally:
            invocation.leave()

    async def _relay(self, invocation: Invocation) -> bool:
        try:
            prelude, rest = await self._prelude(invocation)
        except (Fault, BadPrelude) as wrong:
            logger.warning("%s: no answer: %s", self._seen.request_id, wrong)
            return self._refuse(502, FAILED, "text/plain")
        bodiless = self._request.method == "HEAD" or prelude.status in BODILESS
        framing = [] if bodiless else [("Transfer-Encoding", "chunked")]
        headers = [*self._own_headers(), *framing, *prelude.sent_headers()]
        self._writer.write(response_head(prelude.status, headers))
        try:
            whole = await self._pieces(invocation, rest, bodiless=bodiless)
        except Fault as cut:
            logger.warning("%s: cut: %s", self._seen.request_id, cut)
            return False
        if whole and not bodiless:
            self._writer.write(LAST_CHUNK)
        return whole and self._request.keeps_alive()

    async def _prelude(self, invocation: Invocation) -> tuple[Prelude, bytes]:
        """Wait for the head. Raises ``Fault`` or ``BadPrelude``.

        An answer that does not announce a prelude, such as one in a single piece, passes as it is.
        """
        begun = await invocation.begun()
        if not begun.streamed or begun.content_type.partition(";")[0].strip() != CONTENT_TYPE:
            return Prelude(), b""
        collected = b""
        while (found := split(collected)) is None:
            piece = await invocation.piece()
            if piece is None or len(collected) > EVENT_LIMIT_BYTES:
                raise BadPrelude("it has no end")
            collected += piece
        return found

    async def _pieces(self, invocation: Invocation, rest: bytes, *, bodiless: bool) -> bool:
        """Pass the body on as it comes; return whether it came to its end.

        Raises ``Fault`` where the function broke off, ``ConnectionError`` when the client left.
        """
        await self._writer.drain()
        empty = True
        piece: bytes | None = rest
        while piece is not None:
            if piece:
                empty = False
                if not bodiless:
                    self._writer.write(chunk(piece))
                    await self._writer.drain()
            piece = await invocation.piece()
        begun = await invocation.begun()
        if empty and begun.streamed:
            logger.warning("%s: an empty body is left open", self._seen.request_id)
            await asyncio.sleep(max(0.0, invocation.seconds_left()))
            return False
        return True

    def _own_headers(self) -> list[tuple[str, str]]:
        return [
            ("Date", date()),
            ("x-amzn-RequestId", self._seen.request_id),
            ("X-Amzn-Trace-Id", self._seen.trace),
        ]

    def _refuse(self, status: int, body: bytes, content_type: str = "application/json") -> bool:
        headers = [*self._own_headers()[1:], ("Content-Type", content_type)]
        response = plain_response(status, headers, body)
        is_head = self._request.method == "HEAD"
        self._writer.write(response.removesuffix(body) if is_head else response)
        return self._request.keeps_alive()
