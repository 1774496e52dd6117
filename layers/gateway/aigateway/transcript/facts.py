"""What a request and its response say: facts, final and equal by value.

A fact is emitted once, when it is final: usage after the last report of a stream, a tool call
when its input is complete, a thought when its block closes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, final


class Dialect(StrEnum):
    """A request and response grammar."""

    MESSAGES = "messages"
    CHAT = "chat"
    RESPONSES = "responses"


Outcome = Literal[
    "completed", "failed", "upstream_cut", "client_disconnected", "gateway_timeout", "abandoned"
]
ErrorType = Literal[
    "bad_request",
    "unauthorized",
    "rate_limited",
    "overloaded",
    "server_error",
    "timeout",
    "unknown",
]
PromptKind = Literal["prompt", "interjection", "prefill"]


@final
@dataclass(frozen=True, slots=True)
class Prompt:
    """The last human-written text of a request.

    ``bytes`` and ``sha256`` are of the whole text in UTF-8, before it was cut to the stored
    size; ``cut_bytes`` counts what was removed because a client program had put it there, by
    the list with the version ``filter_version`` (``None``: nothing was removed).
    """

    text: str
    kind: PromptKind
    role: str
    cut_bytes: int
    filter_version: int | None
    bytes: int
    sha256: str
    truncated: bool


@final
@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A tool result in the trailing run of a request: which call it answers, not what it says."""

    call_id: str
    is_error: bool | None
    result_bytes: int


@final
@dataclass(frozen=True, slots=True)
class Opening:
    """What the body of a request says before any answer exists.

    ``session_hints`` holds the members that carry a client's session (``user_id`` of Messages
    metadata, ``prompt_cache_key``), as text. ``tools`` counts the tools offered.
    """

    model: str | None
    streaming: bool
    background: bool
    prompt: Prompt | None
    prompt_unavailable: str | None
    answered_calls: tuple[AnsweredCall, ...]
    previous_response_id: str | None
    session_hints: Mapping[str, str]
    tools: int
    max_tokens: int | None


@final
@dataclass(frozen=True, slots=True)
class Answered:
    """The served model and counts such as ``redacted_thinking_blocks``; also without usage."""

    response_id: str | None
    model: str | None
    notes: Mapping[str, int | str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one answer: four disjoint counts, and the provider's own object as text.

    ``input`` excludes cache reads and writes; reasoning is part of ``output``.
    """

    response_id: str | None
    input: int
    output: int
    cache_read: int
    cache_write: int
    extra: Mapping[str, int | str]
    model: str | None
    raw: str
    partial: bool


@final
@dataclass(frozen=True, slots=True)
class ToolUsage:
    """One tool call. ``input`` is the provider's text, never encoded again."""

    response_id: str | None
    call_id: str | None
    item_id: str | None
    name: str
    server: str | None
    metadata: Mapping[str, str]
    input: str
    input_format: Literal["json", "text", "partial"]
    executed_by: Literal["client", "provider", "gateway"]


@final
@dataclass(frozen=True, slots=True)
class Thought:
    """One block of reasoning text. ``source`` names where the provider put it."""

    response_id: str | None
    source: Literal[
        "thinking", "reasoning_summary", "reasoning_text", "reasoning_content", "commentary"
    ]
    text: str
    truncated: bool


@final
@dataclass(frozen=True, slots=True)
class Ended:
    """How a response ended by its own words.

    ``http_status`` is the provider's; ``message`` its error text; ``stop_reason`` verbatim.
    """

    outcome: Outcome
    http_status: int | None
    error_type: ErrorType | None
    message: str | None
    stop_reason: str | None


Fact = Answered | TokenUsage | ToolUsage | Thought | Ended
