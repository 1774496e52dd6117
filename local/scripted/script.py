"""The script: what the provider answers, as data, whatever the dialect.

``Ask`` is what a request says, ``Reply`` what its answer holds. ``reply_to`` and ``facts_of`` are
pure, so that a test can tell beforehand what the records have to say.

The script of one prompt: with tools offered, a thought and a tool call; once the results are
there, a closing text. Without tools, a short text, or JSON where the request gives a schema.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol, final

from local.scripted.arguments import example, preferred
from local.scripted.wishes import Wishes

Body = Mapping[str, Any]
Thinking = Literal["off", "shown", "hidden"]

CUT_SHORT = frozenset({"max_tokens", "length", "max_output_tokens"})
CHARACTERS_PER_TOKEN = 4


@final
@dataclass(frozen=True, slots=True)
class Tool:
    """An offered tool; ``custom`` takes free text, ``namespace`` is Codex's grouping."""

    name: str
    schema: Mapping[str, Any]
    custom: bool = False
    namespace: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Ask:
    """A request. ``rounds`` counts the turns with tool calls since the human's last message.

    ``agents``: ids of the sub-agents that earlier calls have started.
    """

    model: str
    streaming: bool
    prompt: str
    rounds: int
    tools: tuple[Tool, ...]
    thinking: Thinking
    schema: Mapping[str, Any] | None
    body_bytes: int
    encrypted: bool = False
    wants_usage: bool = True
    agents: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Call:
    call_id: str
    item_id: str
    name: str
    input: str
    custom: bool = False
    namespace: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Usage:
    """Disjoint counts; ``reasoning`` is a part of ``output``."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``hidden``: the thoughts exist, their text is not shown."""

    response_id: str
    serial: str
    model: str
    created: int
    thoughts: tuple[str, ...]
    hidden: bool
    redacted: int
    text: str
    pieces: int
    calls: tuple[Call, ...]
    usage: Usage
    stop: str


class Dialect(Protocol):
    """One grammar of requests and answers; implemented by a module's functions."""

    prefixes: Mapping[str, str]
    stops: tuple[str, str]

    def read(self, body: Body, body_bytes: int) -> Ask: ...
    def events(self, ask: Ask, reply: Reply) -> Iterator[bytes]: ...
    def document(self, ask: Ask, reply: Reply) -> dict[str, Any]: ...
    def error_event(self, reply: Reply, kind: str, sent: int, *, failed: bool) -> bytes: ...


def identifier(serial: str, label: str, length: int = 24) -> str:
    """Letters and digits that depend on nothing but the arguments."""
    return hashlib.sha256(f"{serial}/{label}".encode()).hexdigest()[:length]


def reply_to(ask: Ask, wishes: Wishes, serial: str, number: int, dialect: Dialect) -> Reply:
    """The answer to a request; ``serial`` makes its ids unique, ``number`` its time."""
    calls = _calls(ask, wishes, serial, dialect)
    thoughts = _thoughts(ask, wishes, calls)
    text = "" if calls and wishes.text is None else _text(ask, wishes)
    if calls and wishes.stop in CUT_SHORT:
        last = calls[-1]
        half = last.input[: len(last.input) // 2]
        last = Call(last.call_id, last.item_id, last.name, half, last.custom, last.namespace)
        calls = (*calls[:-1], last)
    return Reply(
        response_id=dialect.prefixes["response"] + identifier(serial, "response"),
        serial=serial,
        model=ask.model,
        created=1_790_000_000 + number,
        thoughts=thoughts,
        hidden=ask.thinking == "hidden" and not wishes.think,
        redacted=wishes.redacted,
        text=text,
        pieces=wishes.events,
        calls=calls,
        usage=_usage(ask, wishes, [*thoughts, text, *(call.input for call in calls)], thoughts),
        stop=wishes.stop or dialect.stops[bool(calls)],
    )


def _calls(ask: Ask, wishes: Wishes, serial: str, dialect: Dialect) -> tuple[Call, ...]:
    if ask.rounds >= wishes.rounds or not (ask.tools or wishes.tools):
        return ()
    offered = {tool.name: tool for tool in ask.tools}
    is_later = bool(ask.rounds and wishes.then)
    names = wishes.then if is_later else wishes.tools or (preferred(list(offered)),)
    given = None if is_later else wishes.input
    tools = [offered.get(name) or Tool(name, {}) for name in names]
    return tuple(
        Call(
            call_id=dialect.prefixes["call"] + identifier(serial, f"call{index}"),
            item_id=dialect.prefixes["item"] + identifier(serial, f"item{index}"),
            name=tool.name,
            input=_input(tool, ask, index) if given is None else given,
            custom=tool.custom,
            namespace=tool.namespace,
        )
        for index, tool in enumerate(tools)
    )


def _input(tool: Tool, ask: Ask, index: int) -> str:
    if tool.custom:
        return f"look {index + 1}\n"
    value = example({**tool.schema, "type": "object"}, ask.prompt, index)
    if isinstance(value, dict) and "targets" in value:
        value["targets"] = list(ask.agents)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _thoughts(ask: Ask, wishes: Wishes, calls: tuple[Call, ...]) -> tuple[str, ...]:
    if wishes.think:
        return (wishes.think,)
    if ask.thinking == "off" or ask.rounds:
        return ()
    if calls:
        return (f"I look before I answer, so I call {calls[0].name} first.",)
    return ("The question is short, so a short answer is enough.",)


def _text(ask: Ask, wishes: Wishes) -> str:
    if wishes.text is not None:
        return wishes.text
    if wishes.events:
        return "".join(f"word{index} " for index in range(wishes.events))
    if ask.schema is not None:
        return json.dumps(example(ask.schema, ask.prompt), ensure_ascii=False)
    if ask.rounds:
        return "Done — I have seen what the tool found, and nothing is missing."
    return "Hello — this is the scripted provider. It answers the same way each time."


def _usage(ask: Ask, wishes: Wishes, said: Iterable[str], thoughts: Iterable[str]) -> Usage:
    reasoning = sum(7 + len(thought) // CHARACTERS_PER_TOKEN for thought in thoughts)
    if wishes.usage:
        taken, output, cache_read, cache_write = wishes.usage
        return Usage(taken, output, cache_read, cache_write, min(reasoning, output))
    prompt = 40 + ask.body_bytes // CHARACTERS_PER_TOKEN
    taken = 5 + prompt % 31
    cache_read = (prompt - taken) * 2 // 3
    output = 9 + sum(7 + len(part) // CHARACTERS_PER_TOKEN for part in said if part)
    return Usage(taken, output, cache_read, prompt - taken - cache_read, reasoning)


def pieces(text: str, count: int = 0, size: int = 14) -> Iterator[str]:
    """Cut a text as a stream does: into ``count`` parts, or parts of ``size`` characters."""
    if count:
        edges = [len(text) * index // count for index in range(count + 1)]
        yield from (text[start:end] for start, end in pairwise(edges))
    else:
        yield from (text[start : start + size] for start in range(0, len(text), size))


def facts_of(name: str, ask: Ask, reply: Reply) -> dict[str, Any]:
    """What a faithful record of the whole answer says; ``usage`` is None where none is sent."""
    return {
        "dialect": name,
        "streaming": ask.streaming,
        "prompt": ask.prompt,
        "model": reply.model,
        "response_id": reply.response_id,
        "stop_reason": reply.stop,
        "usage": _counts(reply.usage) if ask.wants_usage or not ask.streaming else None,
        "reasoning_tokens": reply.usage.reasoning,
        "tool_calls": [
            {"call_id": call.call_id, "name": call.name, "input": call.input}
            for call in reply.calls
        ],
        "thoughts": [] if reply.hidden else list(reply.thoughts),
        "text": reply.text,
    }


def asked_of(name: str, ask: Ask) -> dict[str, Any]:
    """What a faithful record of the request says, and where it stands in its conversation."""
    return {
        "dialect": name,
        "model": ask.model,
        "streaming": ask.streaming,
        "prompt": ask.prompt,
        "rounds": ask.rounds,
        "tools": len(ask.tools),
    }


def _counts(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cache_read,
        "cache_write_input_tokens": usage.cache_write,
    }


def sse(data: Mapping[str, Any], event: str = "") -> bytes:
    """One event of a stream, in the compact JSON with raw UTF-8 that the services send."""
    named = f"event: {event}\n" if event else ""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{named}data: {text}\n\n".encode()
