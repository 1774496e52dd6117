"""What is recorded of Chat Completions exchanges: rows 24 to 33 of the acceptance table."""

import json
import logging
from typing import Any

import pytest

from tests.acceptance.stage import Script, Stage, Told, blocking, rows
from tests.acceptance.words import ASKS, DONE, chat, chunk, completion, sse, usage_chunk

GO = chat("go", **ASKS)


async def streamed(stage: Stage, *events: object) -> Told:
    return await stage.tell("chat", GO, Script(sse(*events)))  # type: ignore[arg-type]  # events


def call(
    index: int, arguments: str, call_id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    named = {"id": call_id, "type": "function"} if call_id else {}
    return {"tool_calls": [{"index": index, **named, "function": function}]}


async def test_row_24_cached_input_is_taken_out_of_the_prompt(stage: Stage) -> None:
    usage = {
        "prompt_tokens": 60,
        "completion_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 8},
    }
    told = await stage.tell("chat", chat("ping?"), blocking(completion(usage=usage)))
    assert told.rows == rows(P=["ping?"], U=["40/15/20/0"])
    assert told.record["token_usages"][0]["metadata"] == {"completion_reasoning": 8}
    assert told.record["token_usages"][0]["raw_usage"] == usage


STREAM = (chunk({"content": "hi"}, usage=None), chunk(finish="stop", usage=None))


async def test_row_25_usage_is_asked_for_and_kept_from_the_client(stage: Stage) -> None:
    said = b'"messages" : [{"role":"user","content":"go"}]'
    body = b'{ "model" : "m", "stream":true,"temperature":1.0,' + said + b" }"
    shown, counted = sse(*STREAM), sse(usage_chunk(prompt_tokens=9, completion_tokens=4))
    script, codings = Script(shown + counted + sse(DONE)), {"accept-encoding": "gzip, br"}
    told = await stage.tell("chat", body, script, codings, edited=True)
    added = b'{"stream_options":{"include_usage":true},'
    assert told.seen.body == added + body[1:]
    assert told.seen.headers["accept-encoding"] == "identity"
    assert told.answered.body == shown + sse(DONE)
    assert told.answered.over
    assert told.rows == rows(P=["go"], U=["9/4/0/0"])
    assert told.record["undelivered_bytes"] == 0


async def test_row_25_a_provider_may_be_set_to_be_left_alone(stage: Stage) -> None:
    await stage.add_provider("plain", "openai", "https://plain.example/v1", inject_usage=False)
    stage.peer.scripts.append(Script(sse(*STREAM, DONE)))
    body = json.dumps(chat("go", stream=True)).encode()
    answered = await stage.send("/plain/v1/chat/completions", body)
    assert stage.peer.seen[-1].body == body
    assert answered.body == sse(*STREAM, DONE)
    assert stage.record(answered)["usage_missing"]


async def test_row_26_a_client_that_asks_gets_its_chunk(stage: Stage) -> None:
    told = await streamed(stage, *STREAM, usage_chunk(prompt_tokens=9, completion_tokens=4), DONE)
    assert b'"usage": {"prompt_tokens": 9' in told.answered.body
    assert told.rows["U"] == ["9/4/0/0"]


async def test_row_27_usage_in_every_chunk_is_cumulative(stage: Stage) -> None:
    chunks = [
        chunk({"content": "x"}, usage={"prompt_tokens": 7, "completion_tokens": count})
        for count in (10, 20, 30)
    ]
    told = await streamed(stage, *chunks, chunk(finish="stop"), DONE)
    assert told.rows["U"] == ["7/30/0/0"]


async def test_row_28_an_answer_without_output_tokens_has_usage(stage: Stage) -> None:
    counted = usage_chunk(prompt_tokens=21, completion_tokens=0)
    told = await streamed(stage, chunk(finish="stop"), counted, DONE)
    assert told.rows["U"] == ["21/0/0/0"]
    assert not told.record["usage_missing"]


async def test_row_29_interleaved_calls_keep_their_own_fragments(stage: Stage) -> None:
    told = await streamed(
        stage,
        chunk(call(1, "", "call_b", "read")),
        chunk(call(0, '{"p":', "call_a", "read")),
        chunk(call(1, '{"p":"b')),
        chunk(call(2, "{}", "call_c", "list")),
        chunk(call(0, '"a"}')),
        chunk(call(1, '"}')),
        chunk(finish="tool_calls"),
        DONE,
    )
    assert told.rows["T"] == [
        ("read", "call_b", '{"p":"b"}'),
        ("read", "call_a", '{"p":"a"}'),
        ("list", "call_c", "{}"),
    ]
    assert {row["input_format"] for row in told.record["tool_usages"]} == {"json"}


async def test_row_30_reasoning_fragments_are_one_thought(stage: Stage) -> None:
    told = await streamed(
        stage,
        chunk({"reasoning_content": "let me "}),
        chunk({"reasoning_content": "see"}),
        chunk({"content": "done"}),
        chunk(finish="stop"),
        DONE,
    )
    assert told.rows["M"] == [("reasoning_content", "let me see")]


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno == logging.WARNING]


async def test_row_31_arguments_that_are_no_json_are_text(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    told = await streamed(
        stage,
        chunk(call(0, "ls -la ", "call_1", "shell")),
        chunk(call(0, "/src")),
        chunk(call(1, "cat x", "call_2", "shell")),
        chunk(finish="tool_calls"),
        DONE,
    )
    assert told.rows["T"] == [("shell", "call_1", "ls -la /src"), ("shell", "call_2", "cat x")]
    assert {row["input_format"] for row in told.record["tool_usages"]} == {"text"}
    (warning,) = warnings(caplog)
    assert warning.getMessage() == "the input of a tool call is no JSON"
    assert "ls -la" not in str(vars(warning))


async def test_row_31_a_free_form_tool_takes_any_text_without_a_warning(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    told = await stage.tell("chat", chat("go"), blocking(completion({"tool_calls": [custom]})))
    assert told.rows["T"] == [("patch", "call_1", "*** Begin")]
    assert told.record["tool_usages"][0]["input_format"] == "text"
    assert warnings(caplog) == []


async def test_row_32_an_error_chunk_fails_the_exchange(stage: Stage) -> None:
    error = {"error": {"message": "overheated", "type": "server_error", "code": None}}
    told = await streamed(stage, chunk({"content": "x"}), error)
    assert told.answered.status == 200
    assert told.end == ("failed", "server_error")
    assert told.record["error_message"] == "overheated"
    assert told.rows == rows(P=["go"])


async def test_row_33_more_cached_than_sent_is_clamped_with_one_warning(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    details = {"cached_tokens": 50}
    usage = {"prompt_tokens": 30, "completion_tokens": 2, "prompt_tokens_details": details}
    told = await stage.tell("chat", chat("go"), blocking(completion(usage=usage)))
    assert told.rows["U"] == ["0/2/50/0"]
    (warning,) = warnings(caplog)
    said = vars(warning)
    assert (said["usage_clamped_input"], said["usage_clamped_cached"]) == (30, 50)
    assert (said["provider_name"], said["route"]) == ("openai", "/v1/chat/completions")
