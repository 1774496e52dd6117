"""What requests and answers are made of: the words of three dialects, in their shortest form."""

import json
from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
PROVIDER_KEY = "sk-provider-planted-0123456789"
AWS_KEYS = '{"access_key":"AKIAPLANTED0000000","access_key_secret":"aws-planted-0123456789"}'
BASES: Mapping[str, str] = {
    "anthropic": "https://anthropic.example",
    "openai": "https://openai.example/v1",
}
PATHS: Mapping[str, str] = {
    "messages": "/anthropic/v1/messages",
    "chat": "/openai/v1/chat/completions",
    "responses": "/openai/v1/responses",
}
CLIENTS: Mapping[str, dict[str, str]] = {
    "Unknown": {},
    "Claude Code": {"user-agent": "claude-cli/2.1.330 (external, cli)"},
    "Codex": {"user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb"},
    "GitHub Copilot (CLI)": {"user-agent": "OpenAI/JS 5.20.1", "x-initiator": "user"},
    "Kilo Code": {"user-agent": "kilo/latest/7.7.7/cli ai-sdk/1"},
    "OpenCode": {"user-agent": "opencode/1.18.33 ai-sdk/1"},
}
TOOL: Document = {"name": "Read", "input_schema": {"type": "object"}}


def sse(*events: Document | str) -> bytes:
    """Write an event stream; an event with a ``type`` carries it as its name too."""
    parts = []
    for event in events:
        kind = event.get("type") if isinstance(event, dict) else None
        named = f"event: {kind}\n" if kind and kind != "chunk" else ""
        data = event if isinstance(event, str) else json.dumps(event)
        parts.append(f"{named}data: {data}\n\n")
    return "".join(parts).encode()


# Messages


def messages(*content: object, **more: object) -> Document:
    """Make a request; a text or a list of parts is a user's message."""
    turns = [part if isinstance(part, dict) else user(part) for part in content]
    return {"model": "claude-sonnet-5", "max_tokens": 500, "messages": turns} | more


def user(content: object) -> Document:
    return {"role": "user", "content": content}


def assistant(*content: Document) -> Document:
    return {"role": "assistant", "content": list(content)}


def text(words: str) -> Document:
    return {"type": "text", "text": words}


def tool_use(call_id: str, name: str = "Read") -> Document:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {}}


def tool_result(call_id: str, **more: object) -> Document:
    return {"type": "tool_result", "tool_use_id": call_id, "content": "done"} | more


def message(*content: Document, usage: object = None, **more: object) -> Document:
    """Make a blocking answer."""
    plain = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-x"}
    counted = {"input_tokens": 5, "output_tokens": 3} if usage is None else usage
    return plain | {"content": list(content), "stop_reason": "end_turn", "usage": counted} | more


def start(usage: Document, message_id: str = "msg_1") -> Document:
    sent = {"id": message_id, "model": "claude-sonnet-5-x", "content": [], "usage": usage}
    return {"type": "message_start", "message": sent}


def block(index: int, content: Document, *deltas: Document, stop: bool = True) -> list[Document]:
    begun = {"type": "content_block_start", "index": index, "content_block": content}
    middle = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [begun, *middle, *([{"type": "content_block_stop", "index": index}] if stop else [])]


def json_delta(piece: str) -> Document:
    return {"type": "input_json_delta", "partial_json": piece}


def delta(usage: Document, stop_reason: str = "end_turn") -> Document:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": usage}


STOP: Document = {"type": "message_stop"}


def calling(*call_ids: str, message_id: str = "msg_1") -> bytes:
    """Write a stream that asks for one tool a call id."""
    blocks = [event for n, call_id in enumerate(call_ids) for event in block(n, tool_use(call_id))]
    begun = start({"input_tokens": 5, "output_tokens": 1}, message_id)
    return sse(begun, *blocks, delta({"output_tokens": 9}, "tool_use"), STOP)


ANSWER = sse(start({"input_tokens": 5, "output_tokens": 1}), delta({"output_tokens": 3}), STOP)


# Chat


def chat(*content: object, **more: object) -> Document:
    turns = [part if isinstance(part, dict) else user(part) for part in content]
    return {"model": "gpt-5-mini", "messages": turns} | more


ASKS = {"stream": True, "stream_options": {"include_usage": True}}


def chunk(delta: Document | None = None, *, finish: str | None = None, **more: object) -> Document:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    plain = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5-mini-x"}
    return plain | {"choices": [choice]} | more


def usage_chunk(**usage: object) -> Document:
    return chunk(choices=[], usage=usage)


DONE = "[DONE]"


def completion(message: Document | None = None, **more: object) -> Document:
    choice = {"index": 0, "message": message or {"content": "ok"}, "finish_reason": "stop"}
    plain = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-5-mini-x"}
    return plain | {"choices": [choice]} | more


# Responses


def responses(given: object, **more: object) -> Document:
    return {"model": "gpt-5-codex", "input": given} | more


def item(role: str, *texts: str) -> Document:
    parts = [{"type": "input_text", "text": words} for words in texts]
    return {"type": "message", "role": role, "content": parts}


def response(*output: Document, usage: object = None, **more: object) -> Document:
    counted = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8} if usage is None else usage
    plain = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5-codex-x"}
    return plain | {"output": list(output), "usage": counted} | more


def ended(whole: Document) -> Document:
    """Return the terminal event of a stream."""
    return {"type": f"response.{whole['status']}", "response": whole}


def created(response_id: str = "resp_1") -> Document:
    begun = {"id": response_id, "object": "response", "status": "in_progress", "model": "m"}
    return {"type": "response.created", "response": begun}


def function_call(call_id: str, item_id: str = "fc_1") -> Document:
    return {
        "type": "function_call",
        "id": item_id,
        "call_id": call_id,
        "name": "shell",
        "arguments": "{}",
    }


def added_and_done(index: int, whole: Document) -> list[Document]:
    return [
        {"type": f"response.output_item.{stage}", "output_index": index, "item": whole}
        for stage in ("added", "done")
    ]
