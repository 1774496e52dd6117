"""Traces as a gateway makes them."""

from aigateway.telemetry.spans import Trace, lasting, within
from aigateway.wire.messages import Headers, RequestHead
from tests.builders import a_closed, an_opened
from tests.clocks import HeldClock


def a_trace(headers: Headers = (), clock: HeldClock | None = None) -> Trace:
    """A whole exchange of three spans: the root, its opening write, and a refused attempt."""
    clock = clock or HeldClock()
    trace = Trace(RequestHead("POST", b"/anthropic/v1/messages", headers), clock)
    trace.opened, trace.closed = an_opened(), a_closed(an_opened())
    with within(trace, trace.root), lasting(trace, trace.begin("Intercept.RecordInterception")):
        clock.advance(2)
    attempt = trace.begin("Intercept.ProcessRequest.Upstream")
    trace.event(attempt, "first_byte")
    clock.advance(1)
    trace.end(attempt, "429")
    trace.end_all()
    return trace
