"""What clients send, in three dialects: a prompt that calls a tool, and the tool's result."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from tests.e2e.asks import PATHS, ask

Dialect = Literal["messages", "chat", "responses"]
DIALECTS: tuple[Dialect, ...] = ("messages", "chat", "responses")
SESSIONS: Mapping[Dialect, tuple[str, str]] = {
    "messages": ("claude-cli/2.1.330 (external, cli)", "x-claude-code-session-id"),
    "chat": ("opencode/1.18.33 ai-sdk/1", "x-session-id"),
    "responses": ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb", "session-id"),
}
"""A client for each dialect, and the header in which it names its session."""

CALL_ID = re.compile(rb'"((?:toolu|call)_[A-Za-z0-9]+)"')
PACE = "drip=3"
"""So that pieces of an answer arrive one by one."""


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it is sent. ``is_recorded``: it shall have a record once it is served."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str = "POST"
    is_recorded: bool = True


@final
@dataclass(frozen=True, slots=True)
class Client:
    """Asks with one key in one dialect; ``session`` is empty where the client names none."""

    secret: str
    dialect: Dialect
    session: str
    streams: bool

    def prompt(self, words: str, wish: str = "", provider: str = "") -> Asked:
        body = ask(self.dialect, words, stream=self.streams, tools=True)
        return self._asked(body, wish, provider)

    def result(self, words: str, call_ids: list[str], wish: str = "") -> Asked:
        """Answer tool calls that ``words`` led to."""
        body = ask(self.dialect, words, stream=self.streams, tools=True)
        turns: list[dict[str, Any]] = body["input" if self.dialect == "responses" else "messages"]
        turns += ANSWERING[self.dialect](call_ids)
        return self._asked(body, wish, "")

    def _asked(self, body: Mapping[str, Any], wish: str, provider: str) -> Asked:
        agent, header = SESSIONS[self.dialect]
        headers = [("authorization", f"Bearer {self.secret}"), ("user-agent", agent)]
        headers.append(("content-type", "application/json"))
        headers.append(("x-fake", f"{PACE};{wish}" if wish else PACE))
        if self.session:
            headers.append((header, self.session))
        path = PATHS[self.dialect]
        if provider:
            path = f"/{provider}/{path.split('/', 2)[2]}"
        return Asked(path, tuple(headers), json.dumps(body).encode())


def _messages(call_ids: list[str]) -> list[dict[str, Any]]:
    uses = [{"type": "tool_use", "id": i, "name": "Read", "input": {}} for i in call_ids]
    results = [{"type": "tool_result", "tool_use_id": i, "content": "done"} for i in call_ids]
    return [{"role": "assistant", "content": uses}, {"role": "user", "content": results}]


def _chat(call_ids: list[str]) -> list[dict[str, Any]]:
    function = {"name": "Read", "arguments": "{}"}
    calls = [{"id": i, "type": "function", "function": function} for i in call_ids]
    results = [{"role": "tool", "tool_call_id": i, "content": "done"} for i in call_ids]
    return [{"role": "assistant", "content": None, "tool_calls": calls}, *results]


def _responses(call_ids: list[str]) -> list[dict[str, Any]]:
    made = [
        {"type": "function_call", "call_id": i, "name": "Read", "arguments": "{}"} for i in call_ids
    ]
    results = [{"type": "function_call_output", "call_id": i, "output": "done"} for i in call_ids]
    return [*made, *results]


ANSWERING = {"messages": _messages, "chat": _chat, "responses": _responses}


def call_ids_in(body: bytes) -> list[str]:
    """Return the ids of the tool calls in an answer of any dialect."""
    return [found.decode() for found in dict.fromkeys(CALL_ID.findall(body))]
