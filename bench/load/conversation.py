"""What agents ask and hear: three dialects, a text and a tool call in every answer.

Answers are made once for each length; only the ids in them differ from one request to the next,
and are as long each time, so that provider and client both know every byte of all of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, final

from local.scripted import chat, messages, responses
from local.scripted.script import Dialect, Usage, identifier, reply_to
from local.scripted.wishes import Wishes

PATHS: Mapping[str, str] = MappingProxyType(
    {
        "messages": "/anthropic/v1/messages",
        "chat": "/openai/v1/chat/completions",
        "responses": "/openai/v1/responses",
    }
)
SCRIPTS: Mapping[str, Dialect] = MappingProxyType(
    {"messages": messages, "chat": chat, "responses": responses}
)
AGENTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "messages": ("claude-cli/2.1.0 (external, cli)", "X-Claude-Code-Session-Id"),
        "chat": ("opencode/1.4.0", "X-Session-Id"),
        "responses": ("codex_cli_rs/0.120.0 (Linux; x86_64)", "session_id"),
    }
)
MODELS: Mapping[str, str] = MappingProxyType(
    {"messages": "claude-sonnet-4-5", "chat": "gpt-5-mini", "responses": "gpt-5-mini"}
)
TOOL = "Bash"
COMMAND = json.dumps({"command": "grep -rn 'def main' . | sort | uniq -c | head -n 20"})
SERIAL = "load"
IDS = tuple(identifier(SERIAL, label).encode() for label in ("response", "call0", "item0"))
ANSWERED_BODY_BYTES = 20_000
FRAME_EVENTS = 24
"""About so many events of an answer are no pieces of its text."""


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """``events``: the body, one write each. ``usage``: what a record must count."""

    events: tuple[bytes, ...]
    usage: Usage

    def of(self, number: int) -> tuple[bytes, ...]:
        """Return the events with the ids of this request."""
        own = id_of(number)
        return tuple(_replaced(event, own) for event in self.events)

    def body(self, number: int) -> bytes:
        return _replaced(b"".join(self.events), id_of(number))


def id_of(number: int) -> bytes:
    return b"%024x" % number


def _replaced(text: bytes, own: bytes) -> bytes:
    for known in IDS:
        text = text.replace(known, own)
    return text


@cache
def answer(dialect: str, events: int) -> Answer:
    """Return an answer of about so many events."""
    script = SCRIPTS[dialect]
    ask = script.read(_document(dialect, 0, 0), ANSWERED_BODY_BYTES)
    pieces = max(events - FRAME_EVENTS, 1)
    text = "".join(f"word {number:04} of the answer. " for number in range(pieces))
    wishes = Wishes(text=text, events=pieces, tools=(TOOL,), input=COMMAND)
    reply = reply_to(ask, wishes, SERIAL, 0, script)
    return Answer(tuple(script.events(ask, reply)), reply.usage)


def call_id(dialect: str, number: int) -> str:
    return SCRIPTS[dialect].prefixes["call"] + id_of(number).decode()


def response_id(dialect: str, number: int) -> str:
    return SCRIPTS[dialect].prefixes["response"] + id_of(number).decode()


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """One request. ``answers``: the number of the one before, whose tool call this answers."""

    number: int
    dialect: str
    events: int
    gap_us: int
    body_bytes: int
    session: str
    answers: int | None = None

    def bytes(self, key: str) -> bytes:
        """Write the whole request."""
        body = json.dumps(
            _document(self.dialect, self.number, self.body_bytes, self.answers)
        ).encode()
        agent, session = AGENTS[self.dialect]
        head = (
            f"POST {PATHS[self.dialect]} HTTP/1.1",
            "Host: 127.0.0.1",
            f"User-Agent: {agent}",
            "Accept: text/event-stream",
            "Accept-Encoding: identity",
            "Content-Type: application/json",
            f"Authorization: Bearer {key}",
            *(("anthropic-version: 2023-06-01",) if self.dialect == "messages" else ()),
            f"{session}: {self.session}",
            f"X-Bench-Number: {self.number}",
            f"X-Bench-Events: {self.events}",
            f"X-Bench-Gap-Us: {self.gap_us}",
            f"Content-Length: {len(body)}",
            "",
            "",
        )
        return "\r\n".join(head).encode() + body


def _document(
    dialect: str, number: int, body_bytes: int, answers: int | None = None
) -> dict[str, Any]:
    prompt = f"Question {number}: where does this program begin, and what does it read first?"
    schema = {"type": "object", "properties": {"command": {"type": "string"}}}
    document: dict[str, Any] = {"model": MODELS[dialect], "stream": True}
    match dialect:
        case "messages":
            document |= {"max_tokens": 8192, "messages": _messages(prompt, answers)}
            document["tools"] = [{"name": TOOL, "description": "Run it", "input_schema": schema}]
        case "chat":
            function = {"name": TOOL, "description": "Run it", "parameters": schema}
            document |= {"messages": _chat(prompt, answers)}
            document |= {"stream_options": {"include_usage": True}}
            document["tools"] = [{"type": "function", "function": function}]
        case _:
            document |= {"input": _items(prompt, answers)}
            function = {"name": TOOL, "description": "Run it", "parameters": schema}
            document["tools"] = [{"type": "function"} | function]
    missing = max(body_bytes - len(json.dumps(document)), 0)
    sentence = "You are a careful engineer. "
    name = {"messages": "system", "responses": "instructions"}.get(dialect)
    padding = (sentence * (missing // len(sentence) + 1))[:missing]
    if name is not None:
        document[name] = padding
    else:
        document["messages"].insert(0, {"role": "system", "content": padding})
    return document


RESULT = "12 ./main.py: def main() -> int:\n" * 8


def _messages(prompt: str, answers: int | None) -> list[dict[str, Any]]:
    asked = [{"role": "user", "content": prompt}]
    if answers is None:
        return asked
    called = call_id("messages", answers)
    call = {"type": "tool_use", "id": called, "name": TOOL, "input": json.loads(COMMAND)}
    result = {"type": "tool_result", "tool_use_id": called, "content": RESULT}
    return [
        *asked,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]


def _chat(prompt: str, answers: int | None) -> list[dict[str, Any]]:
    asked = [{"role": "user", "content": prompt}]
    if answers is None:
        return asked
    called = call_id("chat", answers)
    call = {"id": called, "type": "function", "function": {"name": TOOL, "arguments": COMMAND}}
    return [
        *asked,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": called, "content": RESULT},
    ]


def _items(prompt: str, answers: int | None) -> list[dict[str, Any]]:
    asked = [{"role": "user", "content": prompt}]
    if answers is None:
        return asked
    called = call_id("responses", answers)
    return [
        *asked,
        {"type": "function_call", "call_id": called, "name": TOOL, "arguments": COMMAND},
        {"type": "function_call_output", "call_id": called, "output": RESULT},
    ]
