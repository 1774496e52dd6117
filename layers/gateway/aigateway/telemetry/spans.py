"""The spans of one request, as plain values: nothing here knows a tracing library.

Where a request is traced, its tasks and threads find its trace in their context, and ``span``,
``note`` and ``event`` write into it. Where none is, they do nothing. What was written leaves the
process in one piece when the request is over: only then is known what its attributes say.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, final

from aigateway.clock import Clock
from aigateway.errors import Answerable
from aigateway.interception import Closed, Opened
from aigateway.wire.messages import RequestHead

Value = str | bool | int | float | tuple[str, ...]
Attributes = Mapping[str, Value]

MOST_EVENTS = 120
"""Libraries keep 128 events of a span and drop the oldest, the first byte's among them."""


@final
@dataclass(frozen=True, slots=True)
class Event:
    name: str
    at: datetime
    attributes: Attributes


@final
@dataclass(slots=True, eq=False)
class Span:
    """``error_type`` is set where it failed. ``ended_at`` is ``None`` while it lasts."""

    name: str
    parent: "Span | None"
    started_at: datetime
    ended_at: datetime | None = None
    attributes: dict[str, Value] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    error_type: str | None = None

    def add_event(self, event: Event) -> None:
        """Add an event to a span that still lasts; beyond ``MOST_EVENTS`` none is added."""
        if self.ended_at is None and len(self.events) < MOST_EVENTS:
            self.events.append(event)


@final
class Trace:
    """All spans of a request, the root first.

    ``opened`` and ``closed`` are its record, as far as it came to one.
    """

    def __init__(self, head: RequestHead, clock: Clock) -> None:
        self.head = head
        self.opened: Opened | None = None
        self.closed: Closed | None = None
        self._clock = clock
        self.root = Span("Intercept", None, clock.now())
        self.spans = [self.root]

    @property
    def has_begun(self) -> bool:
        """Whether the request was taken: one that is refused before leaves no span."""
        return self.opened is not None or self.root.name == "Passthrough"

    def begin(self, name: str, parent: Span | None = None) -> Span:
        span = Span(name, parent or self.root, self._clock.now())
        self.spans.append(span)
        return span

    def end(self, span: Span, error_type: str | None = None) -> None:
        """End a span, once."""
        if span.ended_at is None:
            span.ended_at = self._clock.now()
            span.error_type = error_type

    def end_all(self, name: str | None = None) -> None:
        """End the spans of this name, or whatever still lasts."""
        for span in self.spans:
            if name in (None, span.name):
                self.end(span)

    def event(self, span: Span, name: str, attributes: Attributes | None = None) -> None:
        span.add_event(Event(name, self._clock.now(), attributes or {}))

    def named(self, name: str) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.name == name)


class Traces(Protocol):
    """Takes what was traced. Never raises."""

    async def send(self, trace: Trace) -> None:
        """Send the spans of a request that is over, within a bound."""


_current: ContextVar[tuple[Trace, Span] | None] = ContextVar("span", default=None)
"""Tasks and threads take over what is set where they are started."""


def current() -> tuple[Trace, Span] | None:
    """Return the trace of the request that is served here, and the innermost span that lasts.

    What goes on aside may outlive the span in which it began.
    """
    if (here := _current.get()) is None:
        return None
    trace, span = here
    while span.ended_at is not None and span.parent is not None:
        span = span.parent
    return trace, span


@contextmanager
def within(trace: Trace, span: Span) -> Iterator[None]:
    """Let ``span`` be the innermost one; it is not ended."""
    token = _current.set((trace, span))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def lasting(trace: Trace, *spans: Span) -> Iterator[None]:
    """Let spans last as long as the block, the first as the innermost; it may fail."""
    error_type: str | None = None
    try:
        with within(trace, spans[0]):
            yield
    except BaseException as error:
        error_type = kind_of(error)
        raise
    finally:
        for span in spans:
            trace.end(span, error_type)


@contextmanager
def span(name: str) -> Iterator[None]:
    """Let a span last as long as the block, below the innermost one."""
    here = current()
    if here is None:
        yield
        return
    trace, parent = here
    with lasting(trace, trace.begin(name, parent)):
        yield


def note(**attributes: Value) -> None:
    """Add attributes to the innermost span."""
    if (here := current()) is not None:
        here[1].attributes.update(attributes)


def event(name: str) -> None:
    """Add an event to the innermost span."""
    if (here := current()) is not None:
        here[0].event(here[1], name)


def kind_of(error: BaseException) -> str:
    """Return the code of an error of ours, the class of any other: never its text."""
    return error.code if isinstance(error, Answerable) else type(error).__name__
