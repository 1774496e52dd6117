"""The Runtime API of one sandbox (Lambda guide, "runtimes-api", version 2018-06-01).

Theory of operation. The runtime moves the state by its calls, the sandbox by ``give``:

STARTING → IDLE by the first ``next``, which is parked; or → FAILED by ``init/error``.
IDLE → GIVEN by ``give``, which answers the parked ``next``. Asked again, ``next`` answers the
same event.
GIVEN → ANSWERING by ``response``, → ANSWERED at its end or by ``error``.
ANSWERED → IDLE by ``next``: only now is the invocation over.
ANSWERING → FAILED when the response breaks off, GIVEN → FAILED by an unknown response mode. Every
call is refused from then on; only the end of the process helps.
"""

import asyncio
import base64
import enum
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from local.front.http1 import Body, Listener, Request, plain_response, read_request
from local.front.invocation import Fault, Invocation
from local.front.pace import Pace

PREFIX = "/2018-06-01/runtime/"
ANSWER = re.compile(r"invocation/([^/]+)/(response|error)")
BUFFERED_LIMIT_BYTES = 6_291_556
"""Of an answer in one piece. (Measured with the Runtime Interface Emulator of SAM 1.170.)"""

ERROR_LIMIT_BYTES = 256 * 1024
MODE = "lambda-runtime-function-response-mode"
ERROR_TYPE = "lambda-runtime-function-error-type"
ERROR_BODY = "lambda-runtime-function-error-body"


@final
class State(enum.Enum):
    STARTING = enum.auto()
    IDLE = enum.auto()
    GIVEN = enum.auto()
    ANSWERING = enum.auto()
    ANSWERED = enum.auto()
    FAILED = enum.auto()


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """What a call is answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


ACCEPTED = Reply(202, b'{"status":"OK"}\n')
NOT_FOUND = Reply(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})


def _refusal(status: int, error_type: str, message: str) -> Reply:
    document = {"errorMessage": message, "errorType": error_type}
    return Reply(status, json.dumps(document).encode())


OUT_OF_STATE = _refusal(403, "InvalidStateTransition", "Transition not allowed")
WRONG_ID = _refusal(400, "InvalidRequestID", "Invalid request ID")
WRONG_MODE = _refusal(400, "InvalidFunctionResponseMode", "Invalid function response mode")
TOO_LARGE = _refusal(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")


@final
class RuntimeApi:
    """Serves the runtime of one process.

    ``idle`` is set while a ``next`` is parked. ``init_fault`` is set, and ``failed`` with it, when
    the runtime says that its start failed.
    """

    def __init__(self, function_arn: str) -> None:
        self.idle = asyncio.Event()
        self.failed = asyncio.Event()
        self.init_fault: Fault | None = None
        self._arn = function_arn
        self._state = State.STARTING
        self._invocation: Invocation | None = None
        self._given = asyncio.Event()
        self._listener = Listener(self._serve)

    async def start(self) -> str:
        """Listen on a free port of loopback; return host and port."""
        return f"127.0.0.1:{await self._listener.start()}"

    def give(self, invocation: Invocation) -> None:
        """Answer the parked ``next``; only while ``idle`` is set."""
        self._invocation = invocation
        self._state = State.GIVEN
        self.idle.clear()
        self._given.set()

    async def finished(self) -> None:
        """Wait until all the runtime has sent is read: its connections have ended."""
        await self._listener.finished()

    async def stop(self) -> None:
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            body = Body(reader, request)
            reply = await self._reply(request, body)
            writer.write(plain_response(reply.status, reply.headers.items(), reply.body))
            await writer.drain()
            if not request.keeps_alive():
                return

    async def _reply(self, request: Request, body: Body) -> Reply:
        call = request.target.removeprefix(PREFIX)
        answer = ANSWER.fullmatch(call)
        known = call != request.target and (answer or call in {"invocation/next", "init/error"})
        method = "GET" if call == "invocation/next" else "POST"
        if not known or request.method != method:
            await body.whole(0)
            return Reply(405, b"", {"Allow": method}) if known else NOT_FOUND
        if answer is not None:
            return await self._answer(request, body, answer[1], answer[2])
        content = await body.whole(ERROR_LIMIT_BYTES)
        if call == "init/error":
            return self._init_error(request, content or b"")
        return await self._next()

    async def _next(self) -> Reply:
        if self._state in {State.ANSWERING, State.FAILED}:
            return OUT_OF_STATE
        if self._state is not State.GIVEN:
            self._state = State.IDLE
            self._given.clear()
            self.idle.set()
            await self._given.wait()
        invocation = self._invocation
        if invocation is None:
            return OUT_OF_STATE
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._arn,
            "Lambda-Runtime-Invocation-Id": str(uuid.uuid4()),
        }
        if invocation.trace:
            headers["Lambda-Runtime-Trace-Id"] = invocation.trace
        return Reply(200, invocation.event, headers)

    async def _answer(self, request: Request, body: Body, request_id: str, verb: str) -> Reply:
        invocation = self._invocation
        if invocation is None or invocation.request_id != request_id:
            await body.whole(0)
            return WRONG_ID
        if self._state is not State.GIVEN:
            await body.whole(0)
            return OUT_OF_STATE
        if verb == "error":
            content = await body.whole(ERROR_LIMIT_BYTES)
            self._state = State.ANSWERED
            invocation.end(_fault(request.value(ERROR_TYPE), content or b""))
            return ACCEPTED
        mode = request.value(MODE)
        if mode not in {None, "streaming"}:
            self._state = State.FAILED
            await body.whole(0)
            return WRONG_MODE
        return await self._response(request, body, invocation, streamed=mode is not None)

    async def _response(
        self, request: Request, body: Body, invocation: Invocation, *, streamed: bool
    ) -> Reply:
        self._state = State.ANSWERING
        content_type = request.value("content-type") or ""
        fault: Fault | None = None
        try:
            if streamed:
                invocation.begin(content_type, streamed=True)
                await self._stream(body, invocation)
                fault = _trailer_fault(body.trailers)
            elif (content := await body.whole(BUFFERED_LIMIT_BYTES)) is None:
                fault = Fault("Function.ResponseSizeTooLarge", "Response payload size exceeded")
            else:
                invocation.begin(content_type, streamed=False)
                await invocation.put(content)
        except BaseException:
            self._state = State.FAILED
            invocation.end(Fault("Runtime.TruncatedResponse", "The response broke off"))
            raise
        self._state = State.ANSWERED
        invocation.end(fault)
        return TOO_LARGE if fault is not None and not streamed else ACCEPTED

    @staticmethod
    async def _stream(body: Body, invocation: Invocation) -> None:
        pace = Pace()
        async for piece in body.pieces():
            await invocation.put(piece)
            await pace.keep(len(piece))

    def _init_error(self, request: Request, content: bytes) -> Reply:
        if self._state is not State.STARTING:
            return OUT_OF_STATE
        self._state = State.FAILED
        self.init_fault = _fault(request.value(ERROR_TYPE), content)
        self.failed.set()
        return ACCEPTED


def _fault(error_type: str | None, document: bytes) -> Fault:
    return Fault(error_type or "Runtime.Unknown", "The function failed", document)


def _trailer_fault(trailers: Mapping[str, str]) -> Fault | None:
    error_type = trailers.get(ERROR_TYPE)
    if error_type is None:
        return None
    try:
        document = base64.b64decode(trailers.get(ERROR_BODY, ""), validate=True)
    except ValueError:
        document = b""
    return _fault(error_type, document)
