"""Answers on the wire: events and documents in every spelling that a server may choose."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from hypothesis import strategies as st

from aigateway.transcript.facts import Dialect
from tests.property.conversations.model import Effect, Record, recorded

Draw = st.DrawFn
RAW = re.compile(r'"@@(\d+)@@"')


@final
@dataclass(frozen=True, slots=True)
class Style:
    """How a server writes: line ends, spaces, escapes, JSON over several lines."""

    line_end: str
    space: str
    separators: tuple[str, str]
    is_ascii: bool
    is_indented: bool

    def text(self, value: object, raw: tuple[str, ...] = ()) -> str:
        """JSON; a string ``@@n@@`` gives its place to the n-th text of ``raw``."""
        written = json.dumps(
            value,
            ensure_ascii=self.is_ascii,
            separators=self.separators,
            indent=1 if self.is_indented and not raw else None,
        )
        return RAW.sub(lambda found: raw[int(found.group(1))], written)


styles = st.builds(
    Style,
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    space=st.sampled_from([" ", ""]),
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
    is_ascii=st.booleans(),
    is_indented=st.booleans(),
)


@final
@dataclass(frozen=True, slots=True)
class Told:
    """An event of a stream before it is written: its name, what it holds, what it tells."""

    name: str
    data: Mapping[str, Any] | str
    effects: tuple[Effect, ...] = ()
    raw: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Response:
    """``record`` is what must be known of ``body``; ``is_cut``: it broke off."""

    dialect: Dialect
    body: bytes
    is_stream: bool
    is_cut: bool
    record: Record


def written(told: Told, style: Style) -> bytes:
    """One event, its closing blank line at the end."""
    text = told.data if isinstance(told.data, str) else style.text(told.data, told.raw)
    lines = [f"event:{style.space}{told.name}"] if told.name else []
    lines += [f"data:{style.space}{line}" for line in text.split("\n")]
    return "".join(line + style.line_end for line in (*lines, "")).encode()


def stream(draw: Draw, dialect: Dialect, told: list[Told], noise: tuple[Told, ...]) -> Response:
    """Write a stream: with noise between its events; whole, cut off, or ended too early."""
    style = draw(styles)
    for _ in range(draw(st.integers(0, 3))):
        told.insert(draw(st.integers(0, len(told))), draw(st.sampled_from(noise)))
    events = [written(event, style) for event in told]
    heard = draw(st.one_of(st.just(len(told)), st.integers(0, len(told))))
    body = b"".join(events[:heard])
    if heard < len(events):
        most = len(events[heard]) - len(style.line_end)
        body += events[heard][: draw(st.integers(0, most))]
    if draw(st.booleans()):
        body = b"\xef\xbb\xbf" + body
    if draw(st.booleans()):
        body = f": comment{style.line_end}{style.line_end}".encode() + body
        body = body.replace(b"\xef\xbb\xbf", b"", 1)
    effects = [effect for event in told[:heard] for effect in event.effects]
    is_cut = heard < len(told) and draw(st.booleans())
    record = recorded(effects, partial_usage=dialect is not Dialect.RESPONSES)
    return Response(dialect, body, is_stream=True, is_cut=is_cut, record=record)


def document(draw: Draw, dialect: Dialect, told: Told) -> Response:
    """Write the whole answer as one document."""
    style = draw(styles)
    body = style.text(told.data, told.raw).encode()
    record = recorded(told.effects)
    return Response(dialect, body, is_stream=False, is_cut=False, record=record)
