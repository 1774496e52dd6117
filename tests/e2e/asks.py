"""Requests of the three dialects, and what their records must say."""

from collections.abc import Mapping
from typing import Any

MESSAGES = "/anthropic/v1/messages"
CHAT = "/openai/v1/chat/completions"
RESPONSES = "/openai/v1/responses"
PATHS: Mapping[str, str] = {"messages": MESSAGES, "chat": CHAT, "responses": RESPONSES}
PARAMETERS = {"type": "object", "properties": {"file_path": {"type": "string"}}}


def ask(dialect: str, prompt: str, *, stream: bool, tools: bool = False) -> dict[str, Any]:
    """Return the body of a request with one user message."""
    tool = {"name": "Read", "description": "read a file"}
    message = [{"role": "user", "content": prompt}]
    if dialect == "messages":
        body: dict[str, Any] = {"model": "claude-sonnet-5", "max_tokens": 500}
        body |= {"messages": message}
        offered: list[dict[str, Any]] = [{**tool, "input_schema": PARAMETERS}]
    elif dialect == "chat":
        body = {"model": "gpt-5-mini", "messages": message}
        if stream:
            body["stream_options"] = {"include_usage": True}
        offered = [{"type": "function", "function": {**tool, "parameters": PARAMETERS}}]
    else:
        body = {"model": "gpt-5-mini", "input": message}
        offered = [{"type": "function", **tool, "parameters": PARAMETERS}]
    return body | {"stream": stream} | ({"tools": offered} if tools else {})
