"""The one conversation that is relayed again and again: a coding agent's, with a tool call."""

import json
from typing import Any

PATH = "/anthropic/v1/messages"
SESSION_ID = "6f1f3c52-2f5e-4d7c-9a35-0c6f1d2e3b4a"
MODEL = "claude-sonnet-4-5"
CALL_ID = "toolu_01BenchBenchBenchBench"
LAST_EVENT = b"event: message_stop"
FRAME_EVENTS = 7
"""Events of a stream that are no deltas."""

RESPONSE_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"request-id: req_011BenchBenchBenchBench\r\n"
    b"anthropic-ratelimit-requests-remaining: 3999\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


def stream(events: int) -> tuple[bytes, ...]:
    """Return an answer of exactly ``events`` events: words first, then the input of a tool call."""
    words = (events - FRAME_EVENTS) * 3 // 5
    inputs = events - FRAME_EVENTS - words
    usage = {"input_tokens": 12, "cache_read_input_tokens": 2048, "output_tokens": 1}
    message = {"id": "msg_01Bench", "type": "message", "role": "assistant", "model": MODEL}
    tool = {"type": "tool_use", "id": CALL_ID, "name": "Bash", "input": {}}
    pieces = ['{"command": "', *(f"ls {number:04}; " for number in range(inputs - 2)), '"}']
    return (
        _event("message_start", message=message | {"content": [], "usage": usage}),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(_delta(0, {"type": "text_delta", "text": f" word {n:04}"}) for n in range(words)),
        _event("content_block_stop", index=0),
        _event("content_block_start", index=1, content_block=tool),
        *(_delta(1, {"type": "input_json_delta", "partial_json": piece}) for piece in pieces),
        _event("content_block_stop", index=1),
        _event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": events}),
        _event("message_stop"),
    )


def _delta(index: int, delta: dict[str, str]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _event(name: str, **members: Any) -> bytes:  # noqa: ANN401 - JSON of any shape
    data = json.dumps({"type": name} | members, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()


def request(key: str, *, body_bytes: int, events: int, gap_us: int) -> bytes:
    """Return a whole request. ``gap_us``: the provider's pause between two events."""
    body = _body(body_bytes)
    head = (
        f"POST {PATH} HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: claude-cli/2.1.0 (external, cli)",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
        f"Authorization: Bearer {key}",
        "anthropic-version: 2023-06-01",
        "anthropic-beta: interleaved-thinking-2025-05-14",
        f"X-Claude-Code-Session-Id: {SESSION_ID}",
        "X-Stainless-Lang: js",
        "X-Stainless-Retry-Count: 0",
        f"X-Bench-Events: {events}",
        f"X-Bench-Gap-Us: {gap_us}",
        f"Content-Length: {len(body)}",
        "",
        "",
    )
    return "\r\n".join(head).encode() + body


def _body(size: int) -> bytes:
    document = {
        "model": MODEL,
        "max_tokens": 1024,
        "stream": True,
        "system": "",
        "messages": [{"role": "user", "content": "List the files and say what they are for."}],
    }
    missing = max(size - len(json.dumps(document)), 0)
    sentence = "You are a careful engineer. "
    document["system"] = (sentence * (missing // len(sentence) + 1))[:missing]
    return json.dumps(document).encode()
