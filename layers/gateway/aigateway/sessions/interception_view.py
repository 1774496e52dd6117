"""One interception → its response document, with all its children.

A member without a value is absent where the API marks it optional, and otherwise ``null``, an
empty string, an empty list or an empty object, as each place says.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from aigateway.clock import from_micros, time_text
from aigateway.errors import Misheard
from aigateway.interception import TOKEN_NAMES, Credential, Heard, Opened
from aigateway.ledger.rows import Interception
from aigateway.pool.bedrock import ROLE_HINT
from aigateway.transcript.facts import AnsweredCall, Prompt, Thought, TokenUsage, ToolUsage
from aigateway.wire.jsontext import loads

Document = dict[str, Any]
Results = Mapping[tuple[str, str], AnsweredCall]

HINT_MOST = 15
"""A mask is never longer: what is might not be a mask."""


def interception(row: Interception, results: Results) -> Document:
    """Return one interception with all its children; ``results`` are those of its session."""
    opened = row.opened
    return {
        "id": row.id,
        "api_key_id": opened.api_key_id,
        "initiator": user(opened.initiator_id, opened.initiator_username),
        "session_id": opened.session_id,
        "provider": opened.provider,
        "provider_name": opened.provider_name,
        "provider_type": opened.provider_type,
        "model": opened.model,
        "dialect": str(opened.dialect),
        "route": opened.route,
        "method": opened.method,
        "streaming": opened.streaming,
        "client": opened.client.name or None,
        "user_agent": opened.client.user_agent,
        **credential(row),
        "auxiliary": opened.lineage.auxiliary,
        "correlating_tool_call_ids": [call.call_id for call in opened.answered_calls],
        "request_bytes": opened.request_bytes,
        "request_sha256": opened.request_sha256,
        "metadata": {**metadata(opened), **_notes(row)},
        "started_at": time_text(opened.started_at),
        **given(
            client_version=opened.client.version,
            client_session_id=opened.lineage.client_session_id,
            agent_id=opened.lineage.agent_id,
            parent_session_id=opened.lineage.parent_session_id,
            thread_parent_id=row.parents.thread_parent_id if row.parents else None,
            thread_root_id=row.parents.thread_root_id if row.parents else None,
            previous_response_id=opened.previous_response_id,
            retry_count=opened.retry_count,
            agent_firewall_session_id=opened.agent_firewall_session_id,
            agent_firewall_sequence_number=opened.agent_firewall_sequence_number,
        ),
        **_ending(row),
        **_children(row, results),
    }


def _notes(row: Interception) -> Document:
    notes = row.closed.notes if row.closed else {}
    return {**notes, **given(payload_error=row.payload_error)}


def _ending(row: Interception) -> Document:
    closed = row.closed
    return {
        "ended_at": time_or_none(closed.ended_at) if closed else None,
        "outcome": closed.outcome if closed else None,
        "response_bytes": closed.response_bytes if closed else 0,
        "undelivered_bytes": closed.undelivered_bytes if closed else 0,
        "key_attempts": closed.key_attempts if closed else 0,
        "usage_missing": closed.usage_missing if closed else False,
        "usage_partial": closed.usage_partial if closed else False,
    } | (
        given(
            error_type=closed.error_type,
            error_message=closed.error_message,
            http_status=closed.http_status,
            provider_request_id=closed.provider_request_id,
            provider_response_id=closed.provider_response_id,
            stop_reason=closed.stop_reason,
            first_byte_at=time_or_none(closed.first_byte_at),
            late=_late(closed.late) if closed.late else None,
        )
        if closed
        else {}
    )


def _late(kept: Mapping[str, Any]) -> Document:
    counts = {name: kept["tokens"][name] for name in TOKEN_NAMES}
    rest = {name: value for name, value in kept.items() if name != "tokens"}
    return rest | {"ended_at": time_text(from_micros(kept["ended_at"])), **counts}


def _children(row: Interception, results: Results) -> Document:
    facts = heard_in_order(row)
    prompt = row.opened.prompt
    return {
        "user_prompts": [] if prompt is None else [_prompt(row, prompt)],
        "token_usages": [_tokens(row, h, h.fact) for h in facts if isinstance(h.fact, TokenUsage)],
        "tool_usages": [
            _tool_usage(row, h, h.fact, results) for h in facts if isinstance(h.fact, ToolUsage)
        ],
        "model_thoughts": [_thought(row, h, h.fact) for h in facts if isinstance(h.fact, Thought)],
    }


def _prompt(row: Interception, prompt: Prompt) -> Document:
    filtered = {"filter_version": prompt.filter_version, "cut_bytes": prompt.cut_bytes}
    return {
        "id": child_id(row.id, "prompt_usage", 0),
        "interception_id": row.id,
        **given(provider_response_id=row.closed.provider_response_id if row.closed else None),
        "prompt": prompt.text,
        "prompt_sha256": prompt.sha256,
        "prompt_bytes": prompt.bytes,
        "truncated": prompt.truncated,
        "source_role": prompt.role,
        "metadata": {"kind": prompt.kind, **(filtered if prompt.filter_version else {})},
        "created_at": time_text(row.opened.started_at),
    }


def _tokens(row: Interception, heard: Heard, usage: TokenUsage) -> Document:
    counts = (usage.input, usage.output, usage.cache_read, usage.cache_write)
    return {
        **_child(row, "token_usage", heard),
        "provider_response_id": usage.response_id or "",
        **dict(zip(TOKEN_NAMES, counts, strict=True)),
        "metadata": dict(usage.extra),
        "raw_usage": _object(usage.raw),
        "partial": usage.partial,
        **given(
            provider_model=usage.model, **(asdict(heard.charge) if heard.charge is not None else {})
        ),
    }


def _tool_usage(row: Interception, heard: Heard, call: ToolUsage, results: Results) -> Document:
    result = results.get((row.id, call.call_id)) if call.call_id else None
    return {
        **tool_call(row, heard, call, results),
        "input_format": call.input_format,
        "sequence": heard.sequence,
        **given(
            provider_item_id=call.item_id, result_bytes=result.result_bytes if result else None
        ),
    }


def _thought(row: Interception, heard: Heard, thought: Thought) -> Document:
    return {
        **_child(row, "model_thought", heard),
        "content": thought.text,
        "metadata": {"source": thought.source},
        "sequence": heard.sequence,
        "truncated": thought.truncated,
    }


def child_id(interception_id: str, kind: str, sequence: int) -> str:
    """Return the id of a row of an interception: the same at every reading."""
    return str(uuid5(UUID(interception_id), f"{kind}:{sequence}"))


def _child(row: Interception, kind: str, heard: Heard) -> Document:
    return {
        "id": child_id(row.id, kind, heard.sequence),
        "interception_id": row.id,
        "created_at": time_text(heard.created_at),
    }


def heard_in_order(row: Interception) -> list[Heard]:
    rows = row.closed.rows if row.closed else ()
    return sorted(rows, key=lambda heard: (heard.created_at, heard.sequence))


def tool_call(row: Interception, heard: Heard, call: ToolUsage, results: Results) -> Document:
    result = results.get((row.id, call.call_id)) if call.call_id else None
    return {
        **_child(row, "tool_usage", heard),
        "provider_response_id": call.response_id or "",
        "provider_tool_call_id": call.call_id,
        "server_url": call.server or "",
        "tool": call.name,
        "injected": call.executed_by == "gateway",
        "input": call.input,
        "metadata": dict(call.metadata),
        "executed_by": call.executed_by,
        **given(result_is_error=result.is_error if result else None),
    }


def credential(row: Interception) -> Document:
    credential = credential_of(row)
    hint = credential.hint or ""
    shown = hint == ROLE_HINT or ("..." in hint and len(hint) <= HINT_MOST)
    return {"credential_kind": credential.kind, "credential_hint": hint if shown else "..."}


def credential_of(row: Interception) -> Credential:
    """Return the credential that answered, as far as it is known."""
    opened, closed = row.opened.credential, row.closed
    return Credential(opened.kind, (closed.credential_hint if closed else None) or opened.hint)


def user(user_id: str, username: str) -> Document:
    return {"id": user_id, "username": username}


def metadata(opened: Opened) -> Document:
    return {
        "Username": opened.initiator_username,
        "request_user_agent": opened.client.user_agent,
        **opened.metadata,
    }


def time_or_none(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)


def given(**members: object) -> Document:
    return {name: value for name, value in members.items() if value is not None}


def _object(text: str) -> Document:
    """Read a provider's usage object; what is none, or cannot be sent as JSON, is left out."""
    try:
        value = loads(text.encode())
        json.dumps(value, allow_nan=False)
    except (Misheard, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
