"""A gateway that traces: whatever happens, the request's spans are sent once, and last."""

import asyncio
from collections.abc import Callable

import pytest

from aigateway.caller.principals import Signer
from aigateway.errors import RecorderUnavailable, UpstreamUnreachable
from aigateway.relay.asgi import Aborted, Receive, Send
from aigateway.relay.traced import TracedGateway, TracedRecords, TracedUpstream, redacted
from aigateway.telemetry.spans import Trace, current, span, within
from aigateway.wire.messages import RequestHead
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened
from tests.clocks import HeldClock
from tests.traces import Kept, one
from tests.unit.relay.stand_ins import NotingRecords, ScriptedUpstream, a_request

HEAD = RequestHead("POST", b"/anthropic/v1/messages", ())


class Serving:
    """Runs ``work`` as a request."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self.drained = False

    async def serve(
        self,
        head: RequestHead,
        receive: Receive,
        send: Send,
        left: float | None,
        signer: Signer | None = None,
    ) -> None:
        here = current()
        assert here is not None
        here[0].opened = an_opened()
        self._work()

    async def drain(self) -> None:
        self.drained = True


async def receive() -> dict[str, object]:
    return {"type": "http.disconnect"}


async def send(message: object) -> None:
    return


@pytest.fixture
def trace() -> Trace:
    return Trace(HEAD, HeldClock())


async def test_spans_are_sent_also_where_the_response_is_cut() -> None:
    def cut() -> None:
        with span("Intercept.ProcessRequest"):
            raise Aborted("broke off")

    kept = Kept()
    with pytest.raises(Aborted):
        await TracedGateway(Serving(cut), kept, HeldClock()).serve(HEAD, receive, send, None)
    assert [each.name for each in kept.last.spans] == ["Intercept", "Intercept.ProcessRequest"]
    assert all(each.ended_at is not None for each in kept.last.spans)
    assert current() is None


async def test_a_process_that_ends_waits_for_spans_on_their_way() -> None:
    class Slow:
        def __init__(self) -> None:
            self.began, self.gate = asyncio.Event(), asyncio.Event()

        async def send(self, trace: Trace) -> None:
            self.began.set()
            await self.gate.wait()

    slow, serving = Slow(), Serving(lambda: None)
    gateway = TracedGateway(serving, slow, HeldClock())
    request = asyncio.create_task(gateway.serve(HEAD, receive, send, None))
    await slow.began.wait()
    draining = asyncio.create_task(gateway.drain())
    for _ in range(10):
        await asyncio.sleep(0)
    assert (serving.drained, draining.done()) == (True, False)
    slow.gate.set()
    await asyncio.gather(request, draining)


async def test_each_row_has_its_share_of_the_closing_write(trace: Trace) -> None:
    records = NotingRecords([])
    traced = TracedRecords(records)
    opened = an_opened()
    closed = a_closed(opened, a_usage(), a_tool(), a_thought(), a_tool("toolu_2"))
    with within(trace, trace.root):
        await traced.open(opened)
        assert await traced.close(opened, closed, ())
    assert [each.name.removeprefix("Intercept.Record") for each in trace.spans[1:]] == [
        "Interception",
        "PromptUsage",
        "InterceptionEnded",
        "TokenUsage",
        "ToolUsage",
        "ModelThought",
        "ToolUsage",
    ]
    assert (records.opened, records.closed) == ([opened], [closed])


async def test_a_write_that_fails_is_an_error_and_raised(trace: Trace) -> None:
    records = NotingRecords([])
    records.down = True
    with within(trace, trace.root), pytest.raises(RecorderUnavailable):
        await TracedRecords(records).open(an_opened(prompt=None))
    assert one(trace, "Intercept.RecordInterception").error_type == RecorderUnavailable.code
    assert trace.has_begun, "an operator has to see it"


async def test_outside_of_a_request_nothing_is_traced() -> None:
    records, upstream = NotingRecords([]), ScriptedUpstream([])
    traced = TracedRecords(records)
    await traced.open(an_opened())
    await traced.close(an_opened(), a_closed(an_opened()), ())
    answer = await TracedUpstream(upstream).send(a_request())
    assert b"".join([chunk async for chunk in answer.chunks]) == b"".join(upstream.chunks)
    assert len(records.opened) == len(records.closed) == 1


async def test_a_provider_that_cannot_be_reached_fails_what_is_passed_through(
    trace: Trace,
) -> None:
    upstream = ScriptedUpstream([])
    upstream.fault = UpstreamUnreachable("no such host")
    with within(trace, trace.root), pytest.raises(UpstreamUnreachable):
        await TracedUpstream(upstream).send(a_request())
    assert (trace.root.name, trace.root.error_type) == ("Passthrough", UpstreamUnreachable.code)


@pytest.mark.parametrize(
    ("target", "shown"),
    [(b"/v1/models", "/v1/models"), (b"/v1?key=1&a=b", "/v1?..."), (b"/v1?", "/v1?...")],
)
def test_a_target_is_shown_without_its_query(target: bytes, shown: str) -> None:
    assert redacted(target) == shown
