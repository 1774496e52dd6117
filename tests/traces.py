"""Keeps what a gateway traced, and looks for what no span may say."""

from collections import Counter
from collections.abc import Iterator
from typing import final

from aigateway.telemetry.span_attributes import describe
from aigateway.telemetry.spans import Attributes, Span, Trace
from aigateway.transcript.facts import Thought, ToolUsage
from aigateway.wire.masking import masked

SHORTEST = 6
"""A shorter prompt may well be a word that a name contains."""


@final
class Kept:
    """``Traces`` that go nowhere."""

    def __init__(self, *, content: bool = False) -> None:
        self.traces: list[Trace] = []
        self._content = content

    async def send(self, trace: Trace) -> None:
        describe(trace, content=self._content)
        self.traces.append(trace)

    @property
    def last(self) -> Trace:
        return self.traces[-1]

    def names(self) -> Counter[str]:
        """Count the spans of the last trace by their names."""
        return Counter(span.name for span in self.last.spans)

    def leaks(self) -> list[str]:
        """Return what looks like a credential, or is a prompt, an input or a thought."""
        return [found for trace in self.traces for found in _leaks(trace)]


def one(trace: Trace, name: str) -> Span:
    (span,) = trace.named(name)
    return span


def _leaks(trace: Trace) -> Iterator[str]:
    said = [text for span in trace.spans for text in _said(span)]
    secret = [*_content(trace)]
    for text in said:
        if masked(text) != text:
            yield text
        yield from (text for each in secret if each in text)


def _said(span: Span) -> Iterator[str]:
    yield span.name
    yield str(span.error_type)
    yield from _texts(span.attributes)
    for event in span.events:
        yield event.name
        yield from _texts(event.attributes)


def _texts(attributes: Attributes) -> Iterator[str]:
    for value in attributes.values():
        yield from value if isinstance(value, tuple) else (str(value),)


def _content(trace: Trace) -> Iterator[str]:
    opened, closed = trace.opened, trace.closed
    texts = [opened.prompt.text] if opened is not None and opened.prompt is not None else []
    for row in closed.rows if closed is not None else ():
        if isinstance(row.fact, ToolUsage):
            texts.append(row.fact.input)
        elif isinstance(row.fact, Thought):
            texts.append(row.fact.text)
    yield from (text for text in texts if len(text) >= SHORTEST)
