"""OpenAI Chat Completions, as the service sends it (public API reference, read 2026-07)."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from local.scripted.conversation import INJECTED, Said, position
from local.scripted.openai_errors import error
from local.scripted.script import Ask, Body, Call, Reply, Tool, pieces, sse

prefixes: Mapping[str, str] = MappingProxyType(
    {"response": "chatcmpl-", "call": "call_", "item": "", "request": "req_"}
)
stops = ("stop", "tool_calls")
FINGERPRINT = "fp_50cad350e4"


def read(body: Body, body_bytes: int) -> Ask:
    """Raises ``ValueError`` where the service answers 400."""
    if not isinstance(body.get("model"), str):
        raise ValueError("you must provide a model parameter")  # noqa: TRY004
    if not isinstance(body.get("messages"), list):
        raise ValueError("Missing required parameter: 'messages'.")  # noqa: TRY004
    prompt, rounds = position(_said(body["messages"]))
    format_ = body.get("response_format") or {}
    schema = (format_.get("json_schema") or {}).get("schema")
    return Ask(
        model=body["model"],
        streaming=body.get("stream") is True,
        prompt=prompt,
        rounds=rounds,
        tools=() if body.get("tool_choice") == "none" else tuple(_tools(body)),
        thinking="off",
        schema=schema or ({} if format_.get("type") == "json_object" else None),
        body_bytes=body_bytes,
        wants_usage=(body.get("stream_options") or {}).get("include_usage") is True,
    )


def _tools(body: Body) -> Iterator[Tool]:
    for tool in body.get("tools") or ():
        if tool.get("type") == "function":
            yield Tool(tool["function"]["name"], tool["function"].get("parameters") or {})
        elif tool.get("type") == "custom":
            yield Tool(tool["custom"]["name"], {}, custom=True)


def _said(messages: list[Body]) -> Iterator[Said]:
    for message in reversed(messages):
        match message.get("role"):
            case "tool":
                yield "result", ""
            case "assistant":
                yield ("call" if message.get("tool_calls") else "other"), ""
            case "user":
                content = message.get("content") or ""
                parts = [content] if isinstance(content, str) else _texts(content)
                own = [part for part in parts if not part.lstrip().startswith(INJECTED)]
                yield "human", own[-1] if own else ""


def _texts(parts: list[Body]) -> list[str]:
    return [part["text"] for part in parts if part.get("type") == "text"]


def _usage(reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _call(call: Call) -> dict[str, Any]:
    if call.custom:
        return {
            "id": call.call_id,
            "type": "custom",
            "custom": {"name": call.name, "input": call.input},
        }
    function = {"name": call.name, "arguments": call.input}
    return {"id": call.call_id, "type": "function", "function": function}


def document(ask: Ask, reply: Reply) -> dict[str, Any]:
    del ask
    message: dict[str, Any] = {
        "role": "assistant",
        "content": reply.text or None,
        "refusal": None,
        "annotations": [],
    }
    if reply.thoughts:
        message["reasoning_content"] = "".join(reply.thoughts)
    if reply.calls:
        message["tool_calls"] = [_call(call) for call in reply.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.stop}
    return {
        "id": reply.response_id,
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "choices": [choice],
        "usage": _usage(reply),
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def _deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if reply.calls else "", "refusal": None}
    for thought in reply.thoughts:
        yield from ({"reasoning_content": piece} for piece in pieces(thought))
    yield from ({"content": piece} for piece in pieces(reply.text, reply.pieces))
    for index, call in enumerate(reply.calls):
        member, field = ("custom", "input") if call.custom else ("function", "arguments")
        opened = _call(call)
        opened[member] = {**opened[member], field: ""}
        yield {"tool_calls": [{"index": index, **opened}]}
        for piece in pieces(call.input):
            yield {"tool_calls": [{"index": index, member: {field: piece}}]}


def events(ask: Ask, reply: Reply) -> Iterator[bytes]:
    """A stream: every chunk has ``usage: null``, and one more the counts, if it was asked for."""
    chunk: dict[str, Any] = {
        "id": reply.response_id,
        "object": "chat.completion.chunk",
        "created": reply.created,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    unknown = {"usage": None} if ask.wants_usage else {}
    for delta in _deltas(reply):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        yield sse({**chunk, "choices": [choice], **unknown})
    choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": reply.stop}
    yield sse({**chunk, "choices": [choice], **unknown})
    if ask.wants_usage:
        yield sse({**chunk, "choices": [], "usage": _usage(reply)})
    yield b"data: [DONE]\n\n"


def error_event(reply: Reply, kind: str, sent: int, *, failed: bool) -> bytes:
    del sent, failed
    return sse(error(500, "Scripted failure", reply.serial, kind))
