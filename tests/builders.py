"""Records for tests: everything has a value, and each test names only what it is about."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aigateway.caller.clients import Client
from aigateway.caller.keys import key_from, new_secret
from aigateway.caller.lineage import Lineage
from aigateway.caller.people import Key, Role, User
from aigateway.clock import uuid7
from aigateway.interception import Charge, Closed, Credential, Heard, Opened
from aigateway.transcript.facts import Dialect, Prompt, Thought, TokenUsage, ToolUsage

T0 = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
RETENTION = timedelta(days=60)


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after the tests' zero."""
    return T0 + timedelta(seconds=seconds)


def a_prompt(text: str = "Fix the build.") -> Prompt:
    return Prompt(
        text=text,
        kind="prompt",
        role="user",
        cut_bytes=0,
        filter_version=None,
        bytes=len(text.encode("utf-8", "surrogatepass")),
        sha256="ab" * 32,
        truncated=False,
    )


def an_opened(
    seconds: float = 0,
    *,
    session: str | None = "session-1",
    agent: str | None = None,
    auxiliary: bool = False,
    prompt: str | None = "Fix the build.",
    client: str = "Claude Code",
    **changed: Any,  # noqa: ANN401 - any field of Opened
) -> Opened:
    """Make a record of ``alice`` that starts so many seconds after the tests' zero."""
    started_at = at(seconds)
    plain = Opened(
        id=uuid7(started_at),
        initiator_id="u-alice",
        initiator_username="alice",
        api_key_id="0123456789abcdef",
        provider="anthropic",
        provider_name="anthropic",
        provider_type="anthropic",
        model="claude-sonnet-4-5",
        dialect=Dialect.MESSAGES,
        route="/v1/messages",
        method="POST",
        streaming=True,
        client=Client(client, "2.1.0", "claude-cli/2.1.0"),
        lineage=Lineage(session, agent, None, auxiliary),
        credential=Credential("centralized", None),
        started_at=started_at,
        expires_at=(started_at + RETENTION).replace(microsecond=0),
        request_bytes=1234,
        request_sha256="cd" * 32,
        prompt=None if prompt is None else a_prompt(prompt),
        metadata={"Username": "alice", "prompt_filter": 3},
    )
    return replace(plain, **changed)


def a_usage(
    amounts: tuple[int, int, int, int] = (10, 20, 30, 40),
    extra: Mapping[str, int | str] | None = None,
) -> TokenUsage:
    return TokenUsage("msg_1", *amounts, extra or {}, "claude-sonnet-4-5", "{}", partial=False)


def a_tool(call_id: str | None = "toolu_1", name: str = "Bash", text: str = "{}") -> ToolUsage:
    return ToolUsage("msg_1", call_id, None, name, None, {}, text, "json", "client")


def a_thought(text: str = "Let me see.") -> Thought:
    return Thought("msg_1", "thinking", text, truncated=False)


def a_closed(
    opened: Opened,
    *facts: TokenUsage | ToolUsage | Thought,
    seconds: float = 2,
    **changed: Any,  # noqa: ANN401 - any field of Closed
) -> Closed:
    """Make the closing of ``opened``, so many seconds after its start."""
    ended_at = opened.started_at + timedelta(seconds=seconds)
    plain = Closed(
        id=opened.id,
        outcome="completed",
        ended_at=ended_at,
        http_status=200,
        rows=tuple(Heard(number, ended_at, fact) for number, fact in enumerate(facts)),
    )
    return replace(plain, **changed)


def a_charge(cost_micros: int) -> Charge:
    return Charge(cost_micros, "prices 1", 3_000_000, 15_000_000, 300_000, 3_750_000, None)


def charged(closed: Closed, *costs_micros: int) -> Closed:
    """Return the closing with a price for its first rows, which are tokens."""
    priced = [
        replace(row, charge=a_charge(cost))
        for row, cost in zip(closed.rows, costs_micros, strict=False)
    ]
    return replace(closed, rows=(*priced, *closed.rows[len(priced) :]))


def a_user(username: str = "alice", role: Role = "member") -> User:
    return User(f"u-{username}", username, role, T0)


def a_key(user: User, seconds: float = 0) -> Key:
    return key_from(new_secret(), user.id, "laptop", at(seconds), at(90 * 86_400))
