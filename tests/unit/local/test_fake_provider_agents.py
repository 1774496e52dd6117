"""What the script does for coding agents: injected text, sub-agents, turns with another tool."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from local.in_process import Answered

Ask = Callable[..., Awaitable[Answered]]
Entries = Callable[[], Awaitable[list[dict[str, Any]]]]

ERRAND = '{"message":"look"}'
WAIT = {
    "type": "object",
    "properties": {"targets": {"type": "array", "items": {"type": "string"}}},
    "required": ["targets"],
}
TOOLS = [
    {"type": "function", "name": "spawn_agent", "parameters": {"type": "object"}},
    {"type": "function", "name": "wait_agent", "parameters": WAIT},
]


async def test_a_later_turn_calls_its_own_tool_on_the_agents_that_were_started(
    ask: Ask, log: Entries
) -> None:
    wishes = f"tools=spawn_agent;then=wait_agent;rounds=2;input={ERRAND}"
    said: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
    body = {"model": "m", "stream": True, "input": said, "tools": TOOLS}
    await ask("/v1/responses", body, wishes)
    [first] = (await log())[-1]["answered"]["tool_calls"]
    assert (first["name"], first["input"]) == ("spawn_agent", ERRAND)
    said += [
        {"type": "function_call", "name": "spawn_agent", "call_id": first["call_id"]},
        {
            "type": "function_call_output",
            "call_id": first["call_id"],
            "output": json.dumps({"agent_id": "a-1", "nickname": "n"}),
        },
    ]
    await ask("/v1/responses", body, wishes)
    [second] = (await log())[-1]["answered"]["tool_calls"]
    assert (second["name"], second["input"]) == ("wait_agent", '{"targets":["a-1"]}')


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/responses"])
async def test_the_log_says_what_was_asked_even_of_a_request_that_is_refused(
    ask: Ask, log: Entries, path: str
) -> None:
    kind = "input_text" if path == "/v1/responses" else "text"
    texts = ["rename it", "\n\n<environment_details>\nx\n</environment_details>"]
    said = [{"role": "user", "content": [{"type": kind, "text": text} for text in texts]}]
    body = {"model": "m", "stream": True, "messages": said, "input": said}
    answered = await ask(path, body, "status=500")
    assert answered.status == 500
    assert (await log())[-1]["asked"] == {
        "dialect": path.removeprefix("/v1/").partition("/")[0],
        "model": "m",
        "streaming": True,
        "prompt": "rename it",
        "rounds": 0,
        "tools": 0,
    }
