"""A record as log lines: one for its start, one for its end, one for each row.

Names and kinds are those of the reference product's structured log (coder/coder,
aibridge/recorder/log_recorder.go), a public contract that programs read. Pure: the lines of a
record exist even when it could not be stored.
"""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Literal

from aigateway.clock import time_text
from aigateway.interception import TOKEN_NAMES, Closed, Heard, Opened
from aigateway.transcript.facts import Prompt, Thought, TokenUsage, ToolUsage

RecordType = Literal[
    "interception_start",
    "interception_end",
    "token_usage",
    "prompt_usage",
    "tool_usage",
    "model_thought",
]
Fields = dict[str, object]

CONTENT: Mapping[str, str] = {
    "prompt_usage": "prompt",
    "tool_usage": "input",
    "model_thought": "content",
}
"""The member that holds what people and models said, by kind."""

NAME_BYTES = 2048
METADATA_NAMES = 64
"""Texts that are none of these are names and ids; what came longer, or as more, is cut."""


def lines_of(opened: Opened, closed: Closed, *, stored: bool, content: bool) -> Iterator[Fields]:
    """Yield the members of each line, in the order of what happened; ``None`` has no value.

    ``stored`` is false where the closing could not be written: every line says so. Without
    ``content`` a text is represented by its length and hash.
    """
    shared: Fields = {
        "interception_id": opened.id,
        "initiator_id": opened.initiator_id,
        "client": opened.client.name,
        "provider": opened.provider,
        "provider_name": opened.provider_name,
        "model": opened.model,
        "session_id": opened.session_id,
    }
    if not stored:
        shared["stored"] = False
    for kind, members in _members(opened, closed):
        shown = members if content else _without_content(kind, members, opened.prompt)
        yield {"record_type": kind, **_bounded(shared), **_bounded(shown, CONTENT.get(kind))}


def _members(opened: Opened, closed: Closed) -> Iterator[tuple[RecordType, Fields]]:
    yield "interception_start", _start(opened, closed)
    if opened.prompt is not None:
        yield "prompt_usage", _prompt(opened, closed)
    for row in sorted(closed.rows, key=lambda row: row.sequence):
        match row.fact:
            case TokenUsage() as usage:
                yield "token_usage", _tokens(row, usage)
            case ToolUsage() as call:
                yield "tool_usage", _tool(row, call)
            case Thought() as thought:
                yield "model_thought", _thought(row, thought)
    yield "interception_end", _end(opened, closed)


def _start(opened: Opened, closed: Closed) -> Fields:
    parents = closed.parents or opened.parents
    calls = opened.answered_calls
    return {
        "api_key_id": opened.api_key_id,
        "client_session_id": opened.lineage.client_session_id,
        "started_at": time_text(opened.started_at),
        "metadata": {
            "Username": opened.initiator_username,
            "request_user_agent": opened.client.user_agent,
            **opened.metadata,
        },
        "correlating_tool_call_id": calls[-1].call_id if calls else None,
        "thread_parent_id": parents.thread_parent_id if parents else None,
        "thread_root_id": parents.thread_root_id if parents else None,
    }


def _end(opened: Opened, closed: Closed) -> Fields:
    took = (closed.ended_at - opened.started_at).total_seconds()
    return {
        "ended_at": time_text(closed.ended_at),
        "outcome": closed.outcome,
        "error_type": closed.error_type,
        "http_status": closed.http_status,
        "duration_ms": max(round(took * 1000), 0),
    }


def _prompt(opened: Opened, closed: Closed) -> Fields:
    prompt = opened.prompt
    if prompt is None:
        return {}
    filtered = {"filter_version": prompt.filter_version, "cut_bytes": prompt.cut_bytes}
    return {
        "msg_id": closed.provider_response_id,
        "prompt": prompt.text,
        "created_at": time_text(opened.started_at),
        "metadata": {"kind": prompt.kind, **(filtered if prompt.filter_version else {})},
    }


def _tokens(row: Heard, usage: TokenUsage) -> Fields:
    counts = (usage.input, usage.output, usage.cache_read, usage.cache_write)
    return {
        "msg_id": usage.response_id,
        **dict(zip(TOKEN_NAMES, counts, strict=True)),
        "created_at": time_text(row.created_at),
        "metadata": dict(usage.extra),
        "provider_model": usage.model,
        "cost_micros": row.charge.cost_micros if row.charge is not None else None,
    }


def _tool(row: Heard, call: ToolUsage) -> Fields:
    return {
        "msg_id": call.response_id,
        "tool_call_id": call.call_id,
        "item_id": call.item_id,
        "tool": call.name,
        "input": call.input,
        "server_url": call.server,
        "injected": call.executed_by == "gateway",
        "invocation_error": None,
        "created_at": time_text(row.created_at),
        "metadata": dict(call.metadata),
    }


def _thought(row: Heard, thought: Thought) -> Fields:
    return {
        "content": thought.text,
        "created_at": time_text(row.created_at),
        "metadata": {"source": thought.source},
    }


def _without_content(kind: RecordType, members: Fields, prompt: Prompt | None) -> Fields:
    """Measure a text instead; a prompt as it was before it was cut to the stored size."""
    name = CONTENT.get(kind)
    if name is None:
        return members
    if kind == "prompt_usage" and prompt is not None:
        size, digest = prompt.bytes, prompt.sha256
    else:
        text = str(members[name]).encode("utf-8", "surrogatepass")
        size, digest = len(text), hashlib.sha256(text).hexdigest()
    measures = {f"{name}_bytes": size, f"{name}_sha256": digest}
    return {each: value for each, value in members.items() if each != name} | measures


def _bounded(members: Mapping[str, object], content: str | None = None) -> Fields:
    """Cut what is no content and yet longer than any name: no header may fill a log."""
    return {name: value if name == content else _cut(value) for name, value in members.items()}


def _cut(value: object) -> object:
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        if len(text) <= NAME_BYTES:
            return value
        return text[:NAME_BYTES].decode("utf-8", "ignore")
    if isinstance(value, Mapping):
        first = islice(value.items(), METADATA_NAMES)
        return {_cut(name): _cut(each) for name, each in first}
    return value
