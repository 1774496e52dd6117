"""What is recorded of Responses exchanges: rows 34 to 47 of the acceptance table."""

import json

import pytest
import zstandard

from tests.acceptance.stage import Script, Stage, Told, blocking, rows
from tests.acceptance.words import (
    ANSWER,
    added_and_done,
    created,
    ended,
    function_call,
    item,
    messages,
    response,
    responses,
    sse,
)

GO = responses("go", stream=True)
CODEX_TURN = {"stream": True, "tools": [{"type": "function", "name": "shell"}]}


async def streamed(stage: Stage, *events: object) -> Told:
    return await stage.tell("responses", GO, Script(sse(*events)))  # type: ignore[arg-type]  # events


async def test_row_34_a_blocking_answer_to_a_plain_text(stage: Stage) -> None:
    told = await stage.tell("responses", responses("tell a riddle"), blocking(response()))
    assert told.rows == rows(P=["tell a riddle"], U=["5/3/0/0"])
    assert told.record["provider_response_id"] == "resp_1"
    assert told.record["user_prompts"][0]["provider_response_id"] == "resp_1"
    assert told.end == ("completed", None)


async def test_row_35_reasoning_is_part_of_the_output(stage: Stage) -> None:
    usage = {
        "input_tokens": 3000,
        "input_tokens_details": {"cached_tokens": 2560},
        "output_tokens": 200,
        "output_tokens_details": {"reasoning_tokens": 128},
        "total_tokens": 3200,
    }
    told = await streamed(stage, created(), ended(response(usage=usage)))
    assert told.rows == rows(P=["go"], U=["440/200/2560/0"])
    extra = told.record["token_usages"][0]["metadata"]
    assert extra == {"output_reasoning": 128, "total_tokens": 3200}


CUSTOM = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "call_2",
    "name": "apply_patch",
    "input": "*** Begin Patch\n",
}


@pytest.mark.parametrize("stream", [True, False])
async def test_row_36_function_and_free_form_calls(stage: Stage, stream: bool) -> None:
    function = function_call("call_1") | {"arguments": '{ "cmd": ["ls"] }'}
    whole = response(function, CUSTOM)
    if stream:
        events = (*added_and_done(0, function), *added_and_done(1, CUSTOM))
        told = await streamed(stage, created(), *events, ended(whole))
    else:
        told = await stage.tell("responses", responses("go"), blocking(whole))
    assert told.rows["T"] == [
        ("shell", "call_1", '{ "cmd": ["ls"] }'),
        ("apply_patch", "call_2", "*** Begin Patch\n"),
    ]
    calls = told.record["tool_usages"]
    assert [call["provider_item_id"] for call in calls] == ["fc_1", "ctc_1"]
    assert [call["input_format"] for call in calls] == ["json", "text"]


def reasoning(*summaries: str) -> dict[str, object]:
    parts = [{"type": "summary_text", "text": words} for words in summaries]
    return {"type": "reasoning", "id": "rs_1", "summary": parts, "encrypted_content": "ZW5j"}


COMMENTARY = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "phase": "commentary",
    "content": [{"type": "output_text", "text": "I look at it now."}],
}


async def test_row_37_summaries_and_commentary_are_thoughts(stage: Stage) -> None:
    whole = response(reasoning("First.", "Second."), COMMENTARY)
    told = await stage.tell("responses", responses("go"), blocking(whole))
    assert told.rows["M"] == [
        ("reasoning_summary", "First."),
        ("reasoning_summary", "Second."),
        ("commentary", "I look at it now."),
    ]
    assert "ZW5j" not in str(told.record)


async def test_row_38_a_hosted_search_has_no_call_id(stage: Stage) -> None:
    search = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "x"}}
    told = await stage.tell("responses", responses("go"), blocking(response(search)))
    (call,) = told.record["tool_usages"]
    assert (call["tool"], call["executed_by"]) == ("web_search_call", "provider")
    assert not call["provider_tool_call_id"]
    assert json.loads(call["input"]) == search["action"]


async def test_row_39_an_incomplete_response_is_a_completed_exchange(stage: Stage) -> None:
    call = function_call("call_1") | {"arguments": '{"text":"ab'}
    reason = {"incomplete_details": {"reason": "max_output_tokens"}, "status": "incomplete"}
    told = await streamed(stage, created(), ended(response(call, **reason)))
    assert told.end == ("completed", None)
    assert told.record["stop_reason"] == "incomplete:max_output_tokens"
    assert told.rows == rows(P=["go"], U=["5/3/0/0"], T=[("shell", "call_1", '{"text":"ab')])
    assert told.record["tool_usages"][0]["input_format"] == "partial"


ERROR = {"code": "rate_limit_exceeded", "message": "Rate limit reached"}


@pytest.mark.parametrize(
    "event",
    [
        ended(response(status="failed", error=ERROR) | {"usage": None}),
        {"type": "error", **ERROR},
        {"type": "error", "error": ERROR},
    ],
)
async def test_row_40_a_failure_inside_a_stream(stage: Stage, event: object) -> None:
    told = await streamed(stage, created(), event)
    assert told.answered.status == 200
    assert told.end == ("failed", "rate_limited")
    assert told.record["error_message"] == "Rate limit reached"
    assert told.rows == rows(P=["go"])


@pytest.mark.parametrize("body", [b'{"weather":"fine"}', b"[]", b"hello", b'{"object":"response"'])
async def test_row_41_a_body_that_is_no_response_is_relayed_and_failed(
    stage: Stage, body: bytes
) -> None:
    told = await stage.tell("responses", responses("go"), blocking(body))
    assert told.end == ("failed", "unknown")
    assert told.record["usage_missing"]
    assert told.rows == rows(P=["go"])


async def test_row_42_background_is_refused_and_recorded(stage: Stage) -> None:
    body = json.dumps(responses("go", background=True)).encode()
    answered = await stage.send("/openai/v1/responses", body)
    assert answered.status == 501
    assert answered.headers["x-should-retry"] == "false"
    assert answered.headers["x-ai-gateway-error"] == "background_not_supported"
    assert answered.document["error"]["code"] == "background_not_supported"
    assert stage.peer.seen == []
    record = stage.record(answered)
    assert (record["outcome"], record["error_type"]) == ("failed", "bad_request")
    assert await stage.recorded() == 1


AGENTS = "# AGENTS.md instructions for /src\n\n<INSTRUCTIONS>\nbe brief\n</INSTRUCTIONS>"
ENVIRONMENT = "<environment_context>\n<cwd>/src</cwd>\n</environment_context>"


async def test_row_43_the_prompt_of_a_codex_turn_is_the_persons_words(stage: Stage) -> None:
    given = [
        item("developer", "<permissions instructions>ask</permissions instructions>"),
        item("user", AGENTS),
        item("user", ENVIRONMENT),
        item("user", "fix the test"),
    ]
    told = await stage.tell(
        "responses", responses(given, **CODEX_TURN), Script(sse(ended(response()))), client="Codex"
    )
    assert told.rows["P"] == ["fix the test"]
    assert "be brief" not in str(told.record)


NOTIFICATION = '<subagent_notification>{"agent":"a"}</subagent_notification>'


@pytest.mark.parametrize("session", ["session-0044", None])
@pytest.mark.parametrize("behind", [(), (item("user", NOTIFICATION),)])
async def test_row_44_the_output_of_a_free_form_call_finds_its_parent(
    stage: Stage, session: str | None, behind: tuple[object, ...]
) -> None:
    headers = {"session-id": session} if session else {}
    stream = sse(created(), *added_and_done(0, CUSTOM), ended(response(CUSTOM)))
    first = responses([item("user", "go")], **CODEX_TURN)
    asked = await stage.tell("responses", first, Script(stream), headers, client="Codex")
    output = {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done!"}
    second = responses([item("user", "go"), CUSTOM, output, *behind], **CODEX_TURN)
    told = await stage.tell(
        "responses", second, Script(sse(ended(response(id="resp_2")))), headers, client="Codex"
    )
    assert told.record["thread_parent_id"] == asked.record["id"]
    assert told.record["correlating_tool_call_ids"] == ["call_2"]
    assert told.rows["P"] == []


@pytest.mark.parametrize("session", ["session-0045", None])
async def test_row_45_a_previous_response_of_the_same_person_is_the_parent(
    stage: Stage, session: str | None
) -> None:
    request = responses("and then?", previous_response_id="resp_1")
    answers = {"alice": "resp_1", "bob": "resp_9"}
    asked = {}
    for user, response_id in answers.items():
        script = blocking(response(id=response_id))
        told = await stage.tell("responses", responses("go"), script, session=session, user=user)
        asked[user] = told.record["id"]
    follow = blocking(response(id="resp_2"))
    mine = await stage.tell("responses", request, follow, session=session)
    assert mine.record["thread_parent_id"] == asked["alice"]
    assert mine.record["previous_response_id"] == "resp_1"
    assert mine.rows["P"] == ["and then?"]
    others = await stage.tell("responses", request, follow, session=session, user="bob")
    assert "thread_parent_id" not in others.record


async def test_row_46_a_socket_is_refused_and_hanging_up_at_the_end_is_fine(stage: Stage) -> None:
    upgrade = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-key": "eA=="}
    refused = await stage.send("/openai/v1/responses", headers=upgrade, method="GET")
    assert refused.status == 426
    assert refused.document["error"]["code"] == "websocket_not_supported"
    assert await stage.recorded() == 0
    assert stage.peer.seen == []
    body = sse(created(), ended(response()))
    script = Script(body, stalls=True, piece=len(body))
    told = await stage.tell("responses", GO, script, client="Codex", leaves_after=1)
    assert told.end == ("completed", None)
    assert told.rows == rows(P=["go"], U=["5/3/0/0"])
    assert stage.peer.closed_early == 1


@pytest.mark.parametrize("dialect", ["responses", "messages"])
async def test_row_47_a_compressed_request_is_forwarded_as_it_came(
    stage: Stage, dialect: str
) -> None:
    plain, script = {
        "responses": (GO, Script(sse(ended(response())))),
        "messages": (messages("go", stream=True), Script(ANSWER)),
    }[dialect]
    packed = zstandard.ZstdCompressor().compress(json.dumps(plain).encode())
    told = await stage.tell(dialect, packed, script, {"content-encoding": "zstd"})
    assert told.seen.body == packed
    assert told.seen.headers["content-encoding"] == "zstd"
    assert told.rows == rows(P=["go"], U=["5/3/0/0"])
    assert told.record["request_bytes"] == len(packed)
