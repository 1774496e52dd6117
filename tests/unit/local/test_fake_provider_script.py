"""What the script answers, the same in a stream as in one piece."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from local.in_process import Answered

Ask = Callable[..., Awaitable[Answered]]
Entries = Callable[[], Awaitable[list[dict[str, Any]]]]
Facts = Callable[..., Awaitable[dict[str, Any]]]

PATHS = ("/v1/messages", "/v1/chat/completions", "/v1/responses")
SHELL = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}


def request(path: str, names: list[str], *, stream: bool, prompt: str = "hello") -> dict[str, Any]:
    said = [{"role": "user", "content": prompt}]
    body: dict[str, Any] = {"model": "m", "stream": stream}
    match path:
        case "/v1/messages":
            tools: list[dict[str, Any]] = [{"name": name, "input_schema": SHELL} for name in names]
            return body | {"messages": said, "tools": tools, "thinking": {"type": "adaptive"}}
        case "/v1/responses":
            tools = [{"type": "function", "name": name, "parameters": SHELL} for name in names]
            return body | {"input": said, "tools": tools, "reasoning": {"summary": "auto"}}
        case _:
            tools = [
                {"type": "function", "function": {"name": name, "parameters": SHELL}}
                for name in names
            ]
            options = {"stream_options": {"include_usage": True}} if stream else {}
            return body | {"messages": said, "tools": tools} | options


@pytest.fixture
def facts(ask: Ask, log: Entries) -> Facts:
    """What the log says of the answer to one request."""

    async def answered_with(path: str, body: object, wishes: str = "") -> dict[str, Any]:
        answered = await ask(path, body, wishes)
        assert answered.status == 200, answered.body
        return dict((await log())[-1]["answered"])

    return answered_with


@pytest.mark.parametrize("path", PATHS)
async def test_offered_tools_are_called_once_and_the_results_get_a_closing_text(
    facts: Facts, path: str
) -> None:
    body = request(path, ["look", "Bash"], stream=True, prompt="What is in notes.txt?")
    first = await facts(path, body)
    [call] = first["tool_calls"]
    assert (call["name"], call["input"]) == ("Bash", '{"command":"cat notes.txt"}')
    items = {
        "/v1/messages": (
            {"role": "assistant", "content": [{"type": "tool_use", "id": call["call_id"]}]},
            {"role": "user", "content": [{"type": "tool_result", "content": "teal"}]},
        ),
        "/v1/chat/completions": (
            {"role": "assistant", "tool_calls": [{"id": call["call_id"]}]},
            {"role": "tool", "content": "teal"},
        ),
        "/v1/responses": (
            {"type": "function_call", "call_id": call["call_id"]},
            {"type": "function_call_output", "output": "teal"},
        ),
    }[path]
    body["input" if path == "/v1/responses" else "messages"] += items
    second = await facts(path, body)
    assert (second["tool_calls"], second["thoughts"]) == ([], [])
    assert second["text"].startswith("Done")
    third = await facts(path, body, "rounds=2")
    assert len(third["tool_calls"]) == 1


async def test_a_result_to_a_remembered_call_gets_the_closing_text(facts: Facts) -> None:
    body = request("/v1/responses", ["Bash"], stream=False)
    output = {"type": "function_call_output", "call_id": "call_1", "output": "teal"}
    body |= {"input": [output], "previous_response_id": "resp_1"}
    assert (await facts("/v1/responses", body))["text"].startswith("Done")


@pytest.mark.parametrize("path", PATHS)
async def test_parallel_calls_of_one_tool_have_their_own_ids_and_inputs(
    facts: Facts, path: str
) -> None:
    body = request(path, ["Bash"], stream=True)
    calls = (await facts(path, body, "tools=Bash,Bash,Read"))["tool_calls"]
    assert [call["name"] for call in calls] == ["Bash", "Bash", "Read"]
    assert len({call["call_id"] for call in calls}) == 3
    assert calls[0]["input"] != calls[1]["input"]


@pytest.mark.parametrize("path", PATHS)
async def test_usage_text_input_and_stop_reason_can_be_given(facts: Facts, path: str) -> None:
    wishes = "usage=18,7,3,2;text=pong%3B;stop=length;rounds=0"
    told = await facts(path, request(path, [], stream=False), wishes)
    assert list(told["usage"].values()) == [18, 7, 3, 2]
    assert (told["text"], told["stop_reason"]) == ("pong;", "length")
    body = request(path, ["Bash"], stream=False)
    cut = await facts(path, body, 'input={"a":1};stop=max_tokens')
    assert cut["tool_calls"][0]["input"] == '{"a'


async def test_reasoning_that_is_asked_for_without_its_text_stays_hidden(
    ask: Ask, log: Entries
) -> None:
    body = request("/v1/messages", ["Bash"], stream=True)
    body["thinking"] = {"type": "adaptive", "display": "omitted"}
    answered = await ask("/v1/messages", body)
    [entry] = await log()
    assert entry["answered"]["thoughts"] == []
    assert entry["answered"]["reasoning_tokens"] > 0
    kinds = [
        event["delta"]["type"]
        for event in answered.events()
        if "index" in event and "delta" in event
    ]
    assert "thinking_delta" not in kinds
    assert "signature_delta" in kinds


async def test_a_schema_is_answered_with_json_that_fits(facts: Facts) -> None:
    body = request("/v1/responses", [], stream=False)
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    body["text"] = {"format": {"type": "json_schema", "name": "t", "schema": schema}}
    told = await facts("/v1/responses", body)
    assert json.loads(told["text"]) == {"title": "A look at the files"}


async def test_text_that_a_client_program_injects_is_not_the_prompt(facts: Facts) -> None:
    body = request("/v1/messages", [], stream=False)
    reminder = {"type": "text", "text": "<system-reminder>x</system-reminder>"}
    content = [reminder, {"type": "text", "text": "rename foo"}]
    body["messages"] = [{"role": "user", "content": content}, {"role": "system", "content": "y"}]
    assert (await facts("/v1/messages", body))["prompt"] == "rename foo"


async def test_messages_stream_and_document_say_the_same(ask: Ask) -> None:
    wishes = "tools=Bash,Bash;redacted=1;text=Two%20looks."
    blocking = request("/v1/messages", ["Bash"], stream=False)
    whole = (await ask("/v1/messages", blocking, wishes)).document
    streamed = await ask("/v1/messages", blocking | {"stream": True}, wishes)
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    events = streamed.events()
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            if delta["type"] == "input_json_delta":
                at = event["index"]
                inputs[at] = inputs.get(at, "") + delta["partial_json"]
            else:
                member = delta["type"].removesuffix("_delta")
                blocks[-1][member] += delta[member]
    for at, text in inputs.items():
        blocks[at]["input"] = json.loads(text)
    assert [block["type"] for block in blocks] == [b["type"] for b in whole["content"]]
    assert [block.get("input") for block in blocks] == [b.get("input") for b in whole["content"]]
    assert [block.get("text") for block in blocks] == [b.get("text") for b in whole["content"]]
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert events[-2]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
    assert [events[-2]["type"], events[-1]["type"]] == ["message_delta", "message_stop"]


async def test_chat_sends_its_counts_in_one_more_chunk_only_if_asked(
    ask: Ask, log: Entries
) -> None:
    body = request("/v1/chat/completions", ["Bash"], stream=True)
    asked = await ask("/v1/chat/completions", body)
    del body["stream_options"]
    unasked = await ask("/v1/chat/completions", body)
    last = asked.events()[-1]
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] > last["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert all("usage" not in event for event in unasked.events())
    assert asked.body.endswith(b"data: [DONE]\n\n")
    assert [entry["answered"]["usage"] is None for entry in await log()] == [False, True]


async def test_responses_events_are_numbered_and_end_with_the_whole_response(ask: Ask) -> None:
    body = request("/v1/responses", ["Bash"], stream=True)
    body["include"] = ["reasoning.encrypted_content"]
    body["tools"].append({"type": "custom", "name": "patch"})
    events = (await ask("/v1/responses", body, "tools=Bash,patch")).events()
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == done
    assert [item["type"] for item in done] == ["reasoning", "function_call", "custom_tool_call"]
    assert done[0]["encrypted_content"]
    deltas = [event for event in events if event["type"].endswith("function_call_arguments.delta")]
    assert "".join(event["delta"] for event in deltas) == done[1]["arguments"]
