"""A client of the Lambda Runtime API, version 2018-06-01.

It follows the AWS Lambda developer guide (read 2026-07), and where that is silent AWS's own
emulator. HTTP/1.1 to an address inside the sandbox: ``next`` and ``error`` share one kept
connection, which is opened anew when it proves broken, since an event without an answer comes
again. Each streamed response has a connection of its own.

    response:  start ─▶ write … ─▶ end ──┬─▶ accepted ─▶ the next event may be asked for
                 └────────┴─────▶ abort ─┘
"""

import asyncio
import binascii
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from traceback import format_tb
from typing import final

from streaming_runtime.http1 import Answer, NotHttp, chunk, read_answer
from streaming_runtime.prelude import Headers, prelude

ROOT = "/2018-06-01/runtime"
HTTP_OK = 200
HTTP_ACCEPTED = 202
HEAD_BYTES = 256 * 1024
MESSAGE_CHARACTERS = 2000
STACK_FRAMES = 20
"""An error may have to travel in a trailer, which is no place for a long text."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Stream]]


class RuntimeApiFault(Exception):
    """The Runtime API is gone or refuses to go on: the process has to end."""


class ResponseRefused(Exception):
    """The Runtime API did not take a response."""


@final
@dataclass(frozen=True, slots=True)
class Invocation:
    """One event, as bytes, and what its headers say; all but three of those may be missing."""

    request_id: str
    deadline_ms: int
    function_arn: str
    trace_id: str | None
    invocation_id: str | None
    client_context: str | None
    cognito_identity: str | None
    tenant_id: str | None
    body: bytes


@final
@dataclass(frozen=True, slots=True)
class ErrorReport:
    """A failure in Lambda's form."""

    error_type: str
    message: str
    stack_trace: tuple[str, ...]

    @classmethod
    def of(cls, error: BaseException, error_type: str = "") -> "ErrorReport":
        name = error_type or f"Runtime.{type(error).__name__}"
        frames = format_tb(error.__traceback__)[-STACK_FRAMES:]
        return cls(name, str(error)[:MESSAGE_CHARACTERS], tuple(frames))

    def document(self) -> bytes:
        """Return the JSON document of the report."""
        found = {
            "errorMessage": self.message,
            "errorType": self.error_type,
            "stackTrace": self.stack_trace,
        }
        return json.dumps(found).encode()

    def header(self) -> bytes:
        """Return the type as the value of a header, where not every class name can stand."""
        return self.error_type.encode("ascii", "replace")


@final
class RuntimeApi:
    """The calls of one process. ``address`` is ``AWS_LAMBDA_RUNTIME_API``: a host and a port."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._kept: Stream | None = None

    async def next(self) -> Invocation:
        """Wait for the next event, without limit: the process is frozen meanwhile.

        Raises ``RuntimeApiFault``, also for 403: the last response broke off, and no event will
        ever come.
        """
        answer = await self._call("GET", "/invocation/next")
        if answer.status != HTTP_OK:
            raise RuntimeApiFault(f"status {answer.status} instead of an event")
        found = answer.headers.get
        try:
            return Invocation(
                answer.headers["lambda-runtime-aws-request-id"],
                int(answer.headers["lambda-runtime-deadline-ms"]),
                answer.headers["lambda-runtime-invoked-function-arn"],
                found("lambda-runtime-trace-id"),
                found("lambda-runtime-invocation-id"),
                found("lambda-runtime-client-context"),
                found("lambda-runtime-cognito-identity"),
                found("lambda-runtime-aws-tenant-id"),
                answer.body,
            )
        except (KeyError, ValueError) as fault:
            raise RuntimeApiFault("an event without its id, deadline or function") from fault

    def respond(self, invocation: Invocation) -> "ResponseStream":
        """Return the response to an event; nothing is sent before it starts."""
        headers = (
            b"Lambda-Runtime-Function-Response-Mode: streaming",
            b"Content-Type: application/vnd.awslambda.http-integration-response",
            b"Transfer-Encoding: chunked",
            b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
            b"Connection: close",
            *_echo(invocation),
        )
        path = f"/invocation/{invocation.request_id}/response"
        return ResponseStream(self._connect, self._head("POST", path, headers))

    async def error(self, invocation: Invocation, report: ErrorReport) -> None:
        """Answer an event with an error, before any byte of a response.

        Raises ``ResponseRefused`` when the event has its answer already.
        """
        path = f"/invocation/{invocation.request_id}/error"
        await self._report(path, report, _echo(invocation))

    async def init_error(self, report: ErrorReport) -> None:
        """Say why the process cannot serve, before the first ``next``; then it has to end."""
        await self._report("/init/error", report, ())

    async def restore_next(self) -> None:
        """Wait for the moment a snapshot of this process is restored (SnapStart only)."""
        answer = await self._call("GET", "/restore/next")
        if answer.status != HTTP_OK:
            raise RuntimeApiFault(f"status {answer.status} instead of a restore")

    def close(self) -> None:
        """Close the kept connection."""
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None

    async def _report(self, path: str, report: ErrorReport, headers: Iterable[bytes]) -> None:
        kind = b"Lambda-Runtime-Function-Error-Type: " + report.header()
        answer = await self._call(
            "POST", path, (b"Content-Type: application/json", kind, *headers), report.document()
        )
        if answer.status != HTTP_ACCEPTED:
            raise ResponseRefused(f"status {answer.status} to an error report")

    async def _call(
        self, method: str, path: str, headers: Iterable[bytes] = (), body: bytes = b""
    ) -> Answer:
        length = (b"Content-Length: %d" % len(body),) if method == "POST" else ()
        request = self._head(method, path, (*headers, *length)) + body
        try:
            return await self._exchange(request)
        except (OSError, EOFError):
            pass
        try:
            return await self._exchange(request)
        except (OSError, EOFError, NotHttp) as fault:
            raise RuntimeApiFault(f"no answer from the Runtime API to {path}") from fault

    async def _exchange(self, request: bytes) -> Answer:
        reader, writer = self._kept or await self._connect()
        self._kept = None
        keeps_open = False
        try:
            writer.write(request)
            await writer.drain()
            answer = await read_answer(reader)
            keeps_open = answer.keeps_open()
        finally:
            if keeps_open:
                self._kept = reader, writer
            else:
                writer.close()
        return answer

    async def _connect(self) -> Stream:
        host, _, port = self._address.rpartition(":")
        return await asyncio.open_connection(host, int(port), limit=HEAD_BYTES)

    def _head(self, method: str, path: str, headers: Iterable[bytes]) -> bytes:
        first = f"{method} {ROOT}{path} HTTP/1.1\r\nHost: {self._address}".encode()
        return b"\r\n".join((first, *headers, b"\r\n"))


@final
class ResponseStream:
    """One streamed response: each piece is one chunk, sent before the call returns.

    ``start``, ``write`` and ``end`` raise ``OSError`` when the Runtime API takes no more.
    """

    def __init__(self, connect: Connect, head: bytes) -> None:
        self._connect = connect
        self._head = head
        self._stream: Stream | None = None
        self._empty = True
        self.started = False
        self.ended = False

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the response at once, before there is a body."""
        self._stream = await self._connect()
        self._stream[1].transport.set_write_buffer_limits(0)
        self.started = True
        await self._send(self._head + chunk(prelude(status, headers)))

    async def write(self, piece: bytes) -> None:
        """Send a piece of the body. Returns when the socket has taken it."""
        self._empty = False
        await self._send(chunk(piece))

    async def end(self) -> None:
        """End the body cleanly."""
        await self._finish(b"0\r\n\r\n")

    async def abort(self, report: ErrorReport) -> None:
        """End the body as a cut: the error follows it in trailers, and the client gets no end."""
        body = binascii.b2a_base64(report.document(), newline=False)
        await self._finish(
            b"0\r\nLambda-Runtime-Function-Error-Type: %b\r\n"
            b"Lambda-Runtime-Function-Error-Body: %b\r\n\r\n" % (report.header(), body)
        )

    async def accepted(self) -> None:
        """Wait until the Runtime API has taken the whole response, and close the connection.

        Raises ``ResponseRefused`` when it says no. When the connection broke, ``RuntimeApiFault``:
        the event counts as answered or not, and must not be served again.
        """
        if self._stream is None:
            return
        reader, writer = self._stream
        try:
            answer = await read_answer(reader)
        except (OSError, EOFError, NotHttp) as fault:
            raise RuntimeApiFault("a response broke off") from fault
        finally:
            writer.close()
        if answer.status != HTTP_ACCEPTED:
            raise ResponseRefused(f"status {answer.status} to a response")

    async def _finish(self, last: bytes) -> None:
        """Function URLs leave a body without a byte open, so an empty one is a line feed."""
        self.ended = True
        await self._send(chunk(b"\n") + last if self._empty else last)

    async def _send(self, data: bytes) -> None:
        if self._stream is None:
            raise ConnectionError("the response has not started")
        writer = self._stream[1]
        writer.write(data)
        await writer.drain()


def _echo(invocation: Invocation) -> tuple[bytes, ...]:
    if invocation.invocation_id is None:
        return ()
    return (b"Lambda-Runtime-Invocation-Id: " + invocation.invocation_id.encode("latin-1"),)
