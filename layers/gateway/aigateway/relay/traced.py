"""The gateway, its records and its transport, with every request traced. Loaded only if wanted."""

import asyncio
from collections.abc import AsyncIterator
from typing import final

from aigateway.caller.principals import Signer
from aigateway.clock import Clock
from aigateway.errors import UpstreamCut
from aigateway.interception import Closed, Heard, Opened, Parents
from aigateway.ledger.store import ParentQuery
from aigateway.relay.app import Serving
from aigateway.relay.asgi import Receive, Send
from aigateway.relay.recorder import Accounting
from aigateway.relay.upstream import Answer, Chunks, Upstream, UpstreamRequest
from aigateway.steps import Step
from aigateway.telemetry.span_attributes import TOOL_USAGE, UPSTREAM
from aigateway.telemetry.spans import (
    Span,
    Trace,
    Traces,
    current,
    kind_of,
    lasting,
    within,
)
from aigateway.transcript.facts import TokenUsage, ToolUsage
from aigateway.wire.messages import RequestHead

FLUSH_SECONDS = 2.0


@final
class TracedGateway:
    """Begins a trace with each request, and sends it before the invocation is over.

    By then the record is closed and the client has its last byte.
    """

    def __init__(self, gateway: Serving, traces: Traces, clock: Clock) -> None:
        self._gateway = gateway
        self._traces = traces
        self._clock = clock
        self._sending: set[asyncio.Future[None]] = set()

    async def serve(
        self,
        head: RequestHead,
        receive: Receive,
        send: Send,
        left: float | None,
        signer: Signer | None = None,
    ) -> None:
        trace = Trace(head, self._clock)
        over = asyncio.get_running_loop().create_future()
        self._sending.add(over)
        try:
            with within(trace, trace.root):
                await self._gateway.serve(head, receive, send, left, signer)
        finally:
            trace.end_all()
            if trace.has_begun:
                await self._traces.send(trace)
            self._sending.discard(over)
            over.set_result(None)

    async def drain(self) -> None:
        await self._gateway.drain()
        if self._sending:
            await asyncio.wait(self._sending, timeout=FLUSH_SECONDS)


@final
class TracedRecords:
    """Traces the two writes, and what each row has of them."""

    def __init__(self, records: Accounting) -> None:
        self._records = records

    async def open(self, opened: Opened) -> None:
        if (here := current()) is None:
            await self._records.open(opened)
            return
        trace, _ = here
        trace.opened = opened
        spans = [trace.begin("Intercept.RecordInterception")]
        if opened.prompt is not None:
            spans.append(trace.begin("Intercept.RecordPromptUsage"))
        with lasting(trace, *spans):
            await self._records.open(opened)

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        if (here := current()) is None:
            return await self._records.close(opened, closed, steps)
        trace, _ = here
        trace.opened, trace.closed = opened, closed
        trace.end_all("Intercept.ProcessRequest")
        ending = trace.begin("Intercept.RecordInterceptionEnded")
        with lasting(trace, ending, *(trace.begin(_row(row)) for row in closed.rows)):
            return await self._records.close(opened, closed, steps)

    async def late(self, opened: Opened, closed: Closed) -> bool:
        return await self._records.late(opened, closed)

    async def count(self, steps: tuple[Step, ...]) -> None:
        await self._records.count(steps)

    def owe(self, steps: tuple[Step, ...]) -> None:
        self._records.owe(steps)

    async def parents(self, query: ParentQuery) -> Parents | None:
        return await self._records.parents(query)


def _row(row: Heard) -> str:
    if isinstance(row.fact, TokenUsage):
        return "Intercept.RecordTokenUsage"
    return TOOL_USAGE if isinstance(row.fact, ToolUsage) else "Intercept.RecordModelThought"


@final
class TracedUpstream:
    """Traces each attempt, from its start to the last byte of its answer.

    What goes without a record is told at the root instead, which is a ``Passthrough`` then.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def send(self, request: UpstreamRequest) -> Answer:
        if (here := current()) is None:
            return await self._upstream.send(request)
        trace, parent = here
        if request.released is None:
            return await self._passing(trace, request)
        attempt = trace.begin(UPSTREAM, parent)
        earlier = trace.named(UPSTREAM)[:-1]
        if earlier:
            refused = earlier[-1].attributes.get("http.response.status_code", 0)
            told = {"attempt": len(earlier) + 1, "http.response.status_code": refused}
            trace.event(attempt, "key_failover", told)
        try:
            with within(trace, attempt):
                answer = await self._upstream.send(request)
        except BaseException as error:
            trace.end(attempt, kind_of(error))
            raise
        attempt.attributes["http.response.status_code"] = answer.head.status
        answer.chunks = _Followed(answer.chunks, trace, attempt)
        return answer

    async def _passing(self, trace: Trace, request: UpstreamRequest) -> Answer:
        base, root = request.provider.base_url, trace.root
        root.name = "Passthrough"
        root.attributes |= {
            "passthrough_url": redacted(trace.head.target),
            "passthrough_upstream_url": (
                f"{base.scheme}://{base.host_header.decode()}{redacted(request.target)}"
            ),
            "passthrough_method": request.method,
        }
        try:
            answer = await self._upstream.send(request)
        except BaseException as error:
            root.error_type = kind_of(error)
            raise
        root.attributes["http.response.status_code"] = answer.head.status
        answer.chunks = _Followed(answer.chunks, trace, root)
        return answer

    async def aclose(self) -> None:
        await self._upstream.aclose()


@final
class _Followed:
    """Hands on a body as it arrives, and ends its span with it."""

    def __init__(self, chunks: Chunks, trace: Trace, attempt: Span) -> None:
        self._chunks = chunks
        self._trace = trace
        self._attempt = attempt
        self._began = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._chunks.__anext__()
        except StopAsyncIteration:
            self._trace.end(self._attempt)
            raise
        except UpstreamCut as cut:
            self._trace.end(self._attempt, kind_of(cut))
            raise
        if not self._began:
            self._began = True
            self._trace.event(self._attempt, "first_byte")
        return chunk

    async def aclose(self) -> None:
        try:
            await self._chunks.aclose()
        finally:
            self._trace.end(self._attempt)


def redacted(target: bytes) -> str:
    """Return a request target without what its query says."""
    path, mark, _ = target.partition(b"?")
    return path.decode("latin-1") + ("?..." if mark else "")
