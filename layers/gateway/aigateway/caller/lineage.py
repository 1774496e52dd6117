"""In which session a request belongs, and which agent of it sent it.

Header values are untrusted text: trimmed, cut at 256 characters, without control characters
or credentials.
Only the headers of the recognised client count.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from aigateway.caller.clients import (
    CLAUDE_CODE,
    CODEX,
    COPILOT_CLI,
    COPILOT_VS_CODE,
    KILO_CODE,
    OPENCODE,
    SENDS_TOOLS,
    Client,
)
from aigateway.errors import Misheard
from aigateway.transcript.facts import Opening
from aigateway.wire.jsontext import loads
from aigateway.wire.masking import masked
from aigateway.wire.messages import Headers, text

ID_LIMIT = 256
GENERIC_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
SESSION_SUFFIX = "_session_"

Source = Callable[[Headers, Mapping[str, str]], str | None]


@final
@dataclass(frozen=True, slots=True)
class Lineage:
    """``agent_id`` is set for a sub-agent; ``auxiliary`` for titles and other side requests."""

    client_session_id: str | None
    agent_id: str | None
    parent_session_id: str | None
    auxiliary: bool


def _clean(value: str | None) -> str | None:
    if value is None:
        return None
    printable = "".join(c for c in value if c.isprintable()).strip()
    return masked(printable)[:ID_LIMIT] or None


def _header(name: bytes) -> Source:
    return lambda headers, _: text(headers, name)


def _hint(name: str) -> Source:
    return lambda _, hints: hints.get(name)


def _user_id(_: Headers, hints: Mapping[str, str]) -> str | None:
    """Read the session out of Messages' ``metadata.user_id``: a JSON text, or a suffix."""
    user_id = hints.get("user_id", "")
    if user_id.lstrip().startswith("{"):
        return _member(user_id, "session_id")
    return user_id.rpartition(SESSION_SUFFIX)[2] if SESSION_SUFFIX in user_id else None


def _member(text: str | None, name: str) -> str | None:
    """Read a text out of a JSON object in a header or a member; ``None`` where there is none."""
    try:
        document = loads((text or "").encode())
    except Misheard:
        return None
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, str) else None


def _generic(headers: Headers, _: Mapping[str, str]) -> str | None:
    value = text(headers, b"x-session-id")
    return value if value is not None and GENERIC_ID.fullmatch(value) else None


SOURCES: Mapping[str, tuple[Source, ...]] = {
    CLAUDE_CODE: (_header(b"x-claude-code-session-id"), _user_id),
    CODEX: (_header(b"session-id"), _header(b"session_id"), _hint("prompt_cache_key")),
    "Mux": (_header(b"x-mux-workspace-id"),),
    COPILOT_VS_CODE: (_header(b"x-interaction-id"),),
    COPILOT_CLI: (_header(b"x-client-session-id"), _hint("prompt_cache_key")),
    KILO_CODE: (_header(b"x-session-id"), _header(b"x-kilocode-taskid")),
    "Coder Agents": (_header(b"x-coder-chat-id"),),
    OPENCODE: (
        _header(b"x-session-id"),
        _header(b"x-opencode-session"),
        _header(b"x-session-affinity"),
    ),
}


def lineage_of(headers: Headers, client: Client, opening: Opening | None) -> Lineage:
    """Read session, agent and parent. ``opening`` ``None``: the body could not be read."""
    hints = opening.session_hints if opening else {}
    found = (_clean(source(headers, hints)) for source in SOURCES.get(client.name, (_generic,)))
    session = next((value for value in found if value), None)
    agent, parent = _agent(headers, client)
    return Lineage(session, agent, parent, _is_auxiliary(headers, client, opening))


def _agent(headers: Headers, client: Client) -> tuple[str | None, str | None]:
    if client.name == CLAUDE_CODE:
        return _clean(text(headers, b"x-claude-code-agent-id")), None
    if client.name == CODEX:
        thread = _clean(text(headers, b"thread-id"))
        session = _clean(text(headers, b"session-id") or text(headers, b"session_id"))
        agent = thread if session is not None and thread != session else None
        return agent, _clean(text(headers, b"x-codex-parent-thread-id"))
    if client.name in (OPENCODE, KILO_CODE):
        return None, _clean(text(headers, b"x-parent-session-id"))
    if client.name == COPILOT_CLI:
        agent = _clean(text(headers, b"x-agent-task-id"))
        return agent, _clean(text(headers, b"x-parent-agent-id"))
    return None, None


def _is_auxiliary(headers: Headers, client: Client, opening: Opening | None) -> bool:
    if opening is None:
        return False
    if client.name == CODEX:
        turn = text(headers, b"x-codex-turn-metadata")
        if _member(turn, "thread_source") == "thread_title":
            return True
    return (client.name in SENDS_TOOLS and opening.tools == 0) or opening.max_tokens == 1
