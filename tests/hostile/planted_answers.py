"""Answers of each dialect that quote keys, in what is said of an error and in a tool's input."""

import json
from collections.abc import Mapping

from tests.hostile.raw import chunked

PROVIDER_KEY = "k-planted-provider-key-0123456789"
OWN = "sk-own-planted-credential-0123456789"
TOOL = "planted-within-a-tool-input-0123456789"
INPUT = json.dumps({"headers": {"Authorization": f"Basic {TOOL}"}})
CALL = {"id": "call_1", "call_id": "call_1", "name": "fetch"}


def _document(status: int, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _stream(*events: Mapping[str, object]) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    lines = [b"data: %b\n\n" % json.dumps(event).encode() for event in events]
    return head + b"\r\n" + chunked(*lines)


def quoting(key: str) -> Mapping[bytes, bytes]:
    """Return answers that quote the key which they were asked with."""
    quoted = f"Incorrect API key provided: {key} ({OWN}); Authorization: Bearer {key}"
    error = {"type": "authentication_error", "message": quoted, "code": OWN, "param": None}
    document = _document(401, {"type": "error", "error": error})
    return {
        b"a quoted key messages": document,
        b"a quoted key chat": document,
        b"a quoted key responses": document,
        b"a key in an event messages": _stream({"type": "error", "error": error}),
        b"a key in an event chat": _stream({"error": error}),
        b"a key in an event responses": _stream({**error, "type": "error"}),
    }


ANSWERS: Mapping[bytes, bytes] = {
    b"a key for a tool messages": _stream(
        {"type": "message_start", "message": {"id": "r1", "model": "m", "usage": {}}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": CALL | {"type": "tool_use", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": INPUT},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    ),
    b"a key for a tool chat": _document(
        200,
        {
            "id": "r1",
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "message": {
                        "role": "assistant",
                        "tool_calls": [
                            CALL
                            | {"type": "function", "function": {"name": "f", "arguments": INPUT}}
                        ],
                    },
                }
            ],
        },
    ),
    b"a key for a tool responses": _document(
        200,
        {
            "id": "r1",
            "object": "response",
            "model": "m",
            "status": "completed",
            "output": [CALL | {"type": "function_call", "arguments": INPUT}],
        },
    ),
}
