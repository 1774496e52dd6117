"""Which program sent a request, told by its headers. The table is data; first match wins."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from aigateway.wire.messages import Headers, text

UNKNOWN = "Unknown"
CLAUDE_CODE = "Claude Code"
CODEX = "Codex"
COPILOT_CLI = "GitHub Copilot (CLI)"
COPILOT_VS_CODE = "GitHub Copilot (VS Code)"
KILO_CODE = "Kilo Code"
OPENCODE = "OpenCode"

USER_AGENT_LIMIT = 2048


@final
@dataclass(frozen=True, slots=True)
class Client:
    """``name`` is from a closed table, else ``Unknown``; ``user_agent`` is kept as it came."""

    name: str
    version: str | None
    user_agent: str


Test = Callable[[Headers, str], bool]


def _agent(*beginnings: str) -> Test:
    return lambda _, agent: agent.startswith(beginnings)


def _says(name: bytes, value: str) -> Test:
    return lambda headers, _: (text(headers, name) or "").lower() == value


def _has(name: bytes) -> Test:
    return lambda headers, _: text(headers, name) is not None


TABLE: tuple[tuple[str, Test], ...] = (
    # Kilo's Responses requests carry OpenCode's agent: only their title tells.
    (KILO_CODE, _says(b"x-title", "kilo code")),
    ("Mux", _agent("mux/", "xum/")),
    (CLAUDE_CODE, _agent("claude")),
    (CODEX, _agent("codex")),
    ("Zed", _agent("zed/")),
    (COPILOT_VS_CODE, _agent("githubcopilotchat/")),
    (COPILOT_CLI, _agent("copilot/")),
    (KILO_CODE, _agent("kilo-code/", "kilo/")),
    (KILO_CODE, _says(b"originator", "kilo-code")),
    ("Roo Code", _agent("roo-code/", "roocode/")),
    ("Roo Code", _says(b"originator", "roo-code")),
    ("Coder Agents", _agent("coder-agents/")),
    ("Charm Crush", _agent("charm crush/", "charm-crush/")),
    ("Cursor", _has(b"x-cursor-client-version")),
    (OPENCODE, _agent("opencode/")),
    ("Junie", _agent("junie:")),
    ("Cline", _agent("cline/")),
    ("Continue", _agent("continue-cli/")),
    ("Gemini CLI", _agent("geminicli/")),
    ("Qwen Code", _agent("qwencode/")),
    (
        COPILOT_CLI,
        lambda headers, agent: (
            agent.startswith(("openai/js", "anthropic/js"))
            and text(headers, b"x-initiator") is not None
        ),
    ),
)
VERSION = re.compile(
    r"(?:charm crush|[^/:\s]*)[/:](?:[a-z]+/)?v?([0-9][0-9A-Za-z.+_-]*)", re.IGNORECASE
)
"""The number behind the program's name: ``claude-cli/2.1``, ``kilo/latest/7.7``, ``junie:1.0``."""

SENDS_TOOLS = frozenset({CLAUDE_CODE, CODEX, OPENCODE, KILO_CODE, COPILOT_CLI, COPILOT_VS_CODE})
"""These always offer tools in real turns: without any, a request is a side request."""


def client_of(headers: Headers) -> Client:
    """Classify a request. Control characters are removed from the agent, and it is cut."""
    shown = text(headers, b"user-agent") or ""
    agent = "".join(c for c in shown if c.isprintable())[:USER_AGENT_LIMIT]
    name = next((n for n, test in TABLE if test(headers, agent.lower())), UNKNOWN)
    version = VERSION.match(agent)
    return Client(name, version.group(1)[:64] if version else None, agent)
