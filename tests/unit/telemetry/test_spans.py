"""Spans of one request, and nothing where none is traced."""

import asyncio

import pytest

from aigateway.errors import ProviderBroken
from aigateway.telemetry.spans import (
    MOST_EVENTS,
    Trace,
    current,
    event,
    note,
    span,
    within,
)
from aigateway.wire.messages import RequestHead
from tests.clocks import HeldClock


def a_trace(clock: HeldClock) -> Trace:
    return Trace(RequestHead("POST", b"/", ()), clock)


def test_without_a_trace_nothing_is_noted() -> None:
    with span("Intercept.ProcessRequest"):
        note(user_id="u")
        event("cache_hit")
        assert current() is None


async def test_spans_nest_and_follow_tasks_and_threads() -> None:
    clock = HeldClock()
    trace = a_trace(clock)

    async def inner() -> None:
        with span("inner"):
            clock.advance(1)
            await asyncio.to_thread(event, "cache_hit")

    with within(trace, trace.root), span("outer"):
        note(user_id="u")
        await asyncio.create_task(inner())
    assert current() is None
    root, outer, nested = trace.spans
    assert (outer.parent, nested.parent) == (root, outer)
    assert outer.attributes == {"user_id": "u"}
    assert [each.name for each in nested.events] == ["cache_hit"]
    assert nested.ended_at == outer.ended_at == clock.now()
    assert root.ended_at is None


async def test_two_requests_at_once_keep_apart() -> None:
    traces = [a_trace(HeldClock()) for _ in range(2)]

    async def serve(trace: Trace) -> None:
        with within(trace, trace.root):
            for number in range(3):
                with span(f"{number}"):
                    await asyncio.sleep(0)

    await asyncio.gather(*map(serve, traces))
    assert [[s.name for s in t.spans[1:]] for t in traces] == [["0", "1", "2"]] * 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProviderBroken("sk-planted-0123456789"), ProviderBroken.code),
        (ZeroDivisionError("sk-planted-0123456789"), "ZeroDivisionError"),
        (asyncio.CancelledError(), "CancelledError"),
    ],
)
def test_a_block_that_raises_fails_its_span_without_the_text(
    error: BaseException, kind: str
) -> None:
    trace = a_trace(HeldClock())

    def fail() -> None:
        with within(trace, trace.root), span("failing"):
            raise error

    with pytest.raises(type(error)):
        fail()
    assert trace.spans[1].error_type == kind
    assert trace.spans[1].ended_at is not None
    assert trace.root.error_type is None


def test_what_outlives_its_span_is_told_to_the_one_above() -> None:
    trace = a_trace(HeldClock())
    ended = trace.begin("Intercept.ProcessRequest")
    with within(trace, ended):
        trace.end(ended)
        assert current() == (trace, trace.root)
        event("cache_hit")
    assert len(trace.root.events) == 1


def test_a_span_takes_a_hundred_and_twenty_events() -> None:
    trace = a_trace(HeldClock())
    with within(trace, trace.root):
        event("first")
        for _ in range(MOST_EVENTS + 20):
            event("more")
    assert len(trace.root.events) == MOST_EVENTS == 120
    assert trace.root.events[0].name == "first"


def test_an_end_is_final() -> None:
    clock = HeldClock()
    trace = a_trace(clock)
    trace.end(trace.root)
    at = trace.root.ended_at
    clock.advance(1)
    trace.end(trace.root, "late")
    trace.event(trace.root, "late")
    assert (trace.root.ended_at, trace.root.error_type, trace.root.events) == (at, None, [])
