"""Answers of a model, whatever the dialect: thoughts, texts, tool calls, counts."""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, final

from hypothesis import strategies as st

Draw = st.DrawFn
TRICKY = (
    "data: [DONE]\n\n",
    '"type":"text_delta"',
    "event: message_stop",
    "\r\n",
    "\\ud83d",
    "é漢😀",
    "\x00\x1f\u2028",
    '{"a":1}',
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(st.sampled_from([*TRICKY, "one ", "two "]), max_size=6).map("".join),
)
spoken = texts.filter(bool)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
objects = st.dictionaries(
    texts,
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
counts = st.integers(0, 5000)


@final
@dataclass(frozen=True, slots=True)
class Usage:
    """Four disjoint counts."""

    input: int
    output: int
    cache_read: int
    cache_write: int

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write

    def named(self) -> dict[str, int]:
        return {
            "input": self.input,
            "output": self.output,
            "cache_read": self.cache_read,
            "cache_write": self.cache_write,
        }


@final
@dataclass(frozen=True, slots=True)
class Item:
    """A part of an answer, its text in the pieces in which a stream brings it.

    ``sealed``: a thought whose text is not shown. ``free``: a tool that takes any text;
    ``hosted``: one that the provider runs.
    """

    kind: Literal["thought", "sealed", "say", "call", "free", "hosted"]
    pieces: tuple[str, ...]
    name: str = ""
    call_id: str = ""
    is_json: bool = True

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@final
@dataclass(frozen=True, slots=True)
class Answer:
    response_id: str
    model: str
    items: tuple[Item, ...]
    usage: Usage
    is_cut_short: bool


def pieces_of(draw: Draw, text: str) -> tuple[str, ...]:
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=4))
    edges = sorted({0, len(text), *cuts})
    return tuple(text[start:end] for start, end in pairwise(edges))


@st.composite
def json_texts(draw: Draw) -> str:
    """An object in any spelling of JSON: spaces, escapes, an order of its own."""
    value: dict[str, Any] = draw(objects)
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), separators=spaced)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@st.composite
def items(draw: Draw, kinds: tuple[str, ...], number: int) -> Item:
    kind: Any = draw(st.sampled_from(kinds))
    if kind in {"thought", "say"}:
        return Item(kind, pieces_of(draw, draw(spoken)))
    if kind == "sealed":
        return Item(kind, ())
    text = draw(json_texts())
    if kind == "free":
        text = draw(spoken)
    elif kind == "call" and draw(st.integers(0, 5)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return Item(
        kind=kind,
        pieces=pieces_of(draw, text),
        name=draw(names),
        call_id=f"call_{number}_{draw(st.integers(0, 99))}",
        is_json=is_json(text),
    )


@st.composite
def answers(draw: Draw, kinds: tuple[str, ...], *, most: int = 5) -> Answer:
    size = draw(st.integers(0, most))
    return Answer(
        response_id=draw(st.sampled_from(["msg_1", "chatcmpl-2", "resp_3"])),
        model=draw(st.sampled_from(["m", "gpt-5.2-2026-01-01", "claude-sonnet-5"])),
        items=tuple(draw(items(kinds, number)) for number in range(size)),
        usage=Usage(draw(counts), draw(counts), draw(counts), draw(counts)),
        is_cut_short=draw(st.integers(0, 3)) == 0,
    )
