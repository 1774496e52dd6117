"""Anthropic Messages, as the service sends it (public API reference, read 2026-07)."""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from local.scripted.conversation import INJECTED, Said, position
from local.scripted.script import Ask, Body, Reply, Thinking, Tool, identifier, pieces, sse

prefixes: Mapping[str, str] = MappingProxyType(
    {"response": "msg_01", "call": "toolu_01", "item": "", "request": "req_011"}
)
stops = ("end_turn", "tool_use")
ERRORS: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)


def read(body: Body, body_bytes: int) -> Ask:
    """Raises ``ValueError`` where the service answers 400."""
    if not isinstance(body.get("model"), str) or not isinstance(body.get("messages"), list):
        raise ValueError("model: Field required; messages: Field required")  # noqa: TRY004
    prompt, rounds = position(_said(body["messages"]))
    output = body.get("output_config") or {}
    format_ = output.get("format") or body.get("output_format") or {}
    refused = (body.get("tool_choice") or {}).get("type") == "none"
    tools = [
        Tool(tool["name"], tool.get("input_schema") or {})
        for tool in body.get("tools") or ()
        if tool.get("name") and tool.get("type", "custom") == "custom"
    ]
    return Ask(
        model=body["model"],
        streaming=body.get("stream") is True,
        prompt=prompt,
        rounds=rounds,
        tools=() if refused else tuple(tools),
        thinking=_thinking(body.get("thinking") or {}),
        schema=format_.get("schema") if format_.get("type") == "json_schema" else None,
        body_bytes=body_bytes,
    )


def _thinking(asked: Mapping[str, Any]) -> Thinking:
    if asked.get("type") not in {"enabled", "adaptive"}:
        return "off"
    return "hidden" if asked.get("display") == "omitted" else "shown"


def _said(messages: list[Body]) -> Iterator[Said]:
    for message in reversed(messages):
        content = message.get("content") or []
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        kinds = {block.get("type") for block in blocks}
        if message.get("role") == "assistant":
            yield ("call" if "tool_use" in kinds else "other"), ""
        elif "tool_result" in kinds:
            yield "result", ""
        elif message.get("role") == "user":
            texts = [block["text"] for block in blocks if block.get("type") == "text"]
            own = [text for text in texts if not text.lstrip().startswith(INJECTED)]
            yield "human", own[-1] if own else ""


def error(status: int, message: str, request_id: str, kind: str = "") -> dict[str, Any]:
    kind = kind or ERRORS.get(status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": request_id,
    }


def error_event(reply: Reply, kind: str, sent: int, *, failed: bool) -> bytes:
    del sent, failed
    request_id = prefixes["request"] + identifier(reply.serial, "request")
    return sse(error(200, "Scripted failure", request_id, kind), "error")


def _usage(reply: Reply, output: int) -> dict[str, Any]:
    usage = reply.usage
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _message(reply: Reply, content: list[dict[str, Any]], stop: str | None, output: int) -> Body:
    return {
        "model": reply.model,
        "id": reply.response_id,
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": None,
        "usage": _usage(reply, output),
    }


def _signature(reply: Reply, index: int) -> str:
    return "Es" + identifier(reply.serial, f"signature{index}", 62) + "=="


def _blocks(reply: Reply) -> Iterator[dict[str, Any]]:
    """The whole content blocks, in order; a tool's input stays text here."""
    for index, thought in enumerate(reply.thoughts):
        text = "" if reply.hidden else thought
        yield {"type": "thinking", "thinking": text, "signature": _signature(reply, index)}
    for index in range(reply.redacted):
        data = identifier(reply.serial, f"redacted{index}", 64)
        yield {"type": "redacted_thinking", "data": data}
    if reply.text:
        yield {"type": "text", "text": reply.text}
    for call in reply.calls:
        yield {
            "type": "tool_use",
            "id": call.call_id,
            "name": call.name,
            "input": call.input,
            "caller": {"type": "direct"},
        }


def document(ask: Ask, reply: Reply) -> dict[str, Any]:
    del ask
    content = [
        {**block, "input": _parsed(block["input"])} if block["type"] == "tool_use" else block
        for block in _blocks(reply)
    ]
    return dict(_message(reply, content, reply.stop, reply.usage.output))


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _deltas(block: Mapping[str, Any], count: int) -> Iterator[dict[str, str]]:
    match block["type"]:
        case "thinking":
            for piece in pieces(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            for piece in pieces(block["text"], count):
                yield {"type": "text_delta", "text": piece}
        case "tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in pieces(block["input"]):
                yield {"type": "input_json_delta", "partial_json": piece}


def events(ask: Ask, reply: Reply) -> Iterator[bytes]:
    """A stream: usage is cumulative, output counts from 1 at the start to its end value."""
    del ask
    start = {"type": "message_start", "message": _message(reply, [], None, 1)}
    yield sse(start, "message_start")
    emptied = {"thinking": "", "signature": "", "text": "", "input": {}}
    for index, block in enumerate(_blocks(reply)):
        opened = {key: emptied.get(key, value) for key, value in block.items()}
        numbered = {"type": "content_block_start", "index": index, "content_block": opened}
        yield sse(numbered, "content_block_start")
        if index == 0:
            yield sse({"type": "ping"}, "ping")
        for delta in _deltas(block, reply.pieces):
            changed = {"type": "content_block_delta", "index": index, "delta": delta}
            yield sse(changed, "content_block_delta")
        yield sse({"type": "content_block_stop", "index": index}, "content_block_stop")
    usage = _usage(reply, reply.usage.output)
    kept = [key for key in usage if key.endswith("_tokens")]
    ended = {
        "type": "message_delta",
        "delta": {"stop_reason": reply.stop, "stop_sequence": None, "stop_details": None},
        "usage": {key: usage[key] for key in kept},
    }
    yield sse(ended, "message_delta")
    yield sse({"type": "message_stop"}, "message_stop")
