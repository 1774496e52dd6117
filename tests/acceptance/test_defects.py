"""What gateways of this kind get wrong: one regression test for each defect that we know of.

The numbers are those of the table of defects; what concerns parts that do not exist yet comes
with them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aigateway.caller.keys import new_secret
from tests.acceptance.sdks import FAILED, NOT_FOUND, REFUSED, asking, claude, gpt
from tests.acceptance.stage import Script, Stage, Told, blocking
from tests.acceptance.words import (
    ANSWER,
    ASKS,
    DONE,
    PATHS,
    STOP,
    TOOL,
    added_and_done,
    assistant,
    block,
    calling,
    chat,
    chunk,
    completion,
    created,
    delta,
    ended,
    function_call,
    item,
    json_delta,
    message,
    messages,
    response,
    responses,
    sse,
    start,
    text,
    tool_result,
    tool_use,
    usage_chunk,
)

ROOT = Path(__file__).parents[2]
GO: dict[str, dict[str, Any]] = {
    "messages": messages("go", stream=True),
    "chat": chat("go", **ASKS),
    "responses": responses("go", stream=True),
}
REMINDER = text("<system-reminder>note</system-reminder>")
CLAUDE = {"x-claude-code-session-id": "session-claude"}


async def streamed(stage: Stage, dialect: str, *events: Any, **more: Any) -> Told:  # noqa: ANN401 - as ``tell`` takes it
    return await stage.tell(dialect, GO[dialect], Script(sse(*events)), **more)


async def test_defect_01_start_and_delta_are_not_added(stage: Stage) -> None:
    stream = sse(
        start({"input_tokens": 2, "output_tokens": 5}),
        *block(0, text("")),
        delta({"output_tokens": 61}),
        STOP,
    )
    told = await stage.tell("messages", GO["messages"], Script(stream))
    assert told.rows["U"] == ["2/61/0/0"]
    stage.peer.scripts.append(Script(stream))
    async with (
        claude(stage, stage.secrets["alice"]) as client,
        client.messages.stream(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "go"}]
        ) as answer,
    ):
        usage = (await answer.get_final_message()).usage
    assert (usage.input_tokens, usage.output_tokens) == (2, 61)


async def test_defect_02_counts_that_come_with_the_delta_are_counted(stage: Stage) -> None:
    late = {"input_tokens": 9, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 7}
    told = await streamed(stage, "messages", start({}), delta(late | {"output_tokens": 6}), STOP)
    assert told.rows["U"] == ["9/6/8/7"]


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
async def test_defect_03_every_terminal_event_brings_its_usage(stage: Stage, status: str) -> None:
    error = {"error": {"code": "server_error", "message": "x"}} if status == "failed" else {}
    whole = response(status=status, **error)
    told = await streamed(stage, "responses", created(), ended(whole))
    assert told.rows["U"] == ["5/3/0/0"]


@pytest.mark.parametrize(
    ("reports", "recorded"),
    [
        ([(7, 10), (7, 20), (7, 30)], "7/30/0/0"),
        ([(7, 0)], "7/0/0/0"),
        ([(7, 4), (0, 0)], "7/4/0/0"),
    ],
)
async def test_defect_04_usage_counts_from_any_chunk(
    stage: Stage, reports: list[tuple[int, int]], recorded: str
) -> None:
    chunks = [
        chunk({"content": "x"}, usage={"prompt_tokens": sent, "completion_tokens": made})
        for sent, made in reports
    ]
    told = await streamed(stage, "chat", *chunks, chunk(finish="stop"), DONE)
    assert told.rows["U"] == [recorded]


def chat_call(index: int, call_id: str) -> dict[str, Any]:
    function = {"name": "read", "arguments": "{}"}
    return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}


async def test_defect_05_a_chat_stream_keeps_every_call(stage: Stage) -> None:
    told = await streamed(
        stage,
        "chat",
        *(chunk(chat_call(number, f"call_{number}")) for number in range(3)),
        chunk(finish="tool_calls"),
        DONE,
    )
    assert [call_id for _, call_id, _ in told.rows["T"]] == ["call_0", "call_1", "call_2"]


SEEN_CALLS = {
    "messages": [start({}), *block(0, tool_use("call_1"), json_delta("{}"))],
    "chat": [chunk(chat_call(0, "call_1")), chunk(finish="tool_calls")],
    "responses": [created(), *added_and_done(0, function_call("call_1"))],
}


@pytest.mark.parametrize("dialect", SEEN_CALLS)
async def test_defect_06_a_cut_stream_keeps_the_calls_that_were_seen(
    stage: Stage, dialect: str
) -> None:
    script = Script(sse(*SEEN_CALLS[dialect]), cut=True)
    told = await stage.tell(dialect, GO[dialect], script)
    (call,) = told.record["tool_usages"]
    assert (call["provider_tool_call_id"], call["input_format"]) == ("call_1", "json")
    assert not told.answered.over


async def test_defect_09_no_byte_of_a_stream_is_written_again(stage: Stage) -> None:
    odd = (
        b': comment\r\n\r\nevent:ping\r\ndata:{ "type" : "ping" }\r\n\r\n'
        b'event: message_start\ndata: {"message":{"id":"msg_\\u0031","usage":'
        b'{"output_tokens":1.0e1}},"type":"message_start"}\n\n\n'
    )
    told = await stage.tell("messages", GO["messages"], Script(odd + ANSWER))
    assert told.answered.body == odd + ANSWER
    assert told.record["provider_response_id"] == "msg_1"
    assert told.answered.headers["content-type"] == "text/event-stream"


async def test_defect_10_a_request_is_never_rebuilt(stage: Stage) -> None:
    said = '"messages":[{"role":"user","content":"go"}],"n":3,"temperature":1.0'
    body = f'{{"model":"m", {said} ,"x":{{"b":1e2,"a":"\\u00e9"}},"unheard_of":null}}'.encode()
    told = await stage.tell("chat", body, blocking(completion()))
    assert told.seen.body == body


async def test_defect_11_headers_and_errors_pass_as_the_provider_wrote_them(stage: Stage) -> None:
    body = b'{"error": {"message":"slow","type":"x","code":"y","details":[1]} }'
    names = {
        "retry-after": "17",
        "request-id": "req_1",
        "x-ratelimit-remaining-tokens": "0",
        "anthropic-ratelimit-requests-limit": "5",
        "openai-processing-ms": "9",
        "x-should-retry": "true",
    }
    script = Script(body, 429, "application/json", tuple(names.items()))
    told = await stage.tell("chat", GO["chat"], script)
    assert {name: told.answered.headers[name] for name in names} == names
    assert told.answered.body == body


@pytest.mark.parametrize("status", [429, 500, 503, 529])
async def test_defect_12_there_is_one_attempt_and_the_clients_own_are_counted(
    stage: Stage, status: int
) -> None:
    headers = {"x-stainless-retry-count": "2"}
    told = await stage.tell("messages", GO["messages"], blocking({}, status), headers)
    assert len(stage.peer.seen) == 1
    assert told.record["retry_count"] == 2


async def turn(stage: Stage, *content: Any) -> Told:  # noqa: ANN401 - messages, or a user's content
    request = messages(*content, tools=[TOOL], stream=True)
    script = Script(ANSWER)
    return await stage.tell("messages", request, script, CLAUDE, client="Claude Code")


async def test_defect_13_a_reminder_behind_a_result_is_no_prompt(stage: Stage) -> None:
    told = await turn(stage, "go", assistant(tool_use("t1")), [tool_result("t1"), REMINDER])
    assert told.rows["P"] == []


async def test_defect_14_a_system_message_at_the_end_hides_no_prompt(stage: Stage) -> None:
    told = await turn(stage, [REMINDER, text("go")], {"role": "system", "content": "# More"})
    assert told.rows["P"] == ["go"]


FAILURES = {
    "refused": blocking({"error": {"message": "no"}}, 400),
    "cut": Script(b"", cut=True),
    "empty": Script(b""),
    "no response": blocking({"x": 1}),
    "an error": Script(sse({"type": "error", "error": {"message": "no"}})),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("dialect", GO)
async def test_defect_15_the_prompt_is_kept_however_it_ends(
    stage: Stage, dialect: str, failure: str
) -> None:
    told = await stage.tell(dialect, GO[dialect], FAILURES[failure])
    assert told.rows["P"] == ["go"]
    assert told.record["outcome"] != "completed"


async def test_defect_16_what_codex_adds_is_no_prompt(stage: Stage) -> None:
    added = (
        "# AGENTS.md instructions for /src\n\n<INSTRUCTIONS>\nx\n</INSTRUCTIONS>",
        "<environment_context>\n<cwd>/src</cwd>\n</environment_context>",
        "<user_instructions>\nx\n</user_instructions>",
    )
    tools = [{"type": "function", "name": "shell"}]
    given = [item("user", "go"), *(item("user", words) for words in added)]
    script = blocking(response())
    told = await stage.tell("responses", responses(given, tools=tools), script, client="Codex")
    assert told.rows["P"] == ["go"]


async def test_defect_17_any_result_and_any_kind_of_it_finds_the_parent(stage: Stage) -> None:
    custom = {"type": "custom_tool_call", "id": "c", "call_id": "call_2", "name": "n", "input": ""}
    whole = response(function_call("call_1"), custom)
    root = (await stage.tell("responses", responses("go"), blocking(whole))).record["id"]
    outputs = [
        {"type": kind, "call_id": call_id, "output": "x"}
        for kind, call_id in (
            ("function_call_output", "call_unknown"),
            ("custom_tool_call_output", "call_2"),
        )
    ]
    follow = blocking(response(id="resp_2"))
    for request in (
        responses([item("user", "go"), *outputs]),
        responses([item("user", "go"), *reversed(outputs)]),
        responses("more", previous_response_id="resp_1"),
    ):
        told = await stage.tell("responses", request, follow)
        assert told.record["thread_parent_id"] == root


async def test_defect_18_equal_call_ids_do_not_join_strangers(stage: Stage) -> None:
    await streamed(stage, "messages", *json_events(calling("call_0")), user="bob")
    request = messages("go", assistant(tool_use("call_0")), [tool_result("call_0")])
    told = await stage.tell("messages", request, blocking(message()))
    assert "thread_parent_id" not in told.record


def json_events(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in stream.decode().splitlines() if line[:5] == "data:"]


async def test_defect_19_people_who_share_a_session_id_are_not_merged(stage: Stage) -> None:
    records = {}
    for user in ("alice", "bob"):
        told = await stage.tell(
            "messages", GO["messages"], Script(ANSWER), session="session-shared", user=user
        )
        records[user] = told.record["id"]
    for user, record in records.items():
        (thread,) = stage.get("sessions/session-shared", user)["threads"]
        assert thread["id"] == record
        chosen = stage.get("sessions/session-shared", initiator=user)
        assert [thread["id"] for thread in chosen["threads"]] == [record]
    assert stage.query("sessions/session-shared")[0] == 409
    assert [row["threads"] for row in stage.get("sessions")["sessions"]] == [1, 1]


async def test_defect_20_totals_are_of_the_whole_session_whatever_the_filter(
    stage: Stage,
) -> None:
    for model in ("model-a", "model-b"):
        request = messages("go", model=model)
        await stage.tell("messages", request, blocking(message()), session="session-0020")
    (plain,) = stage.get("sessions")["sessions"]
    for model in ("model-a", "model-b"):
        (found,) = stage.get("sessions", model=model)["sessions"]
        assert found == plain
    assert plain["models"] == ["model-a", "model-b"]
    assert plain["token_usage_summary"]["input_tokens"] == 10
    assert plain["threads"] == 2


async def test_defect_21_a_cursor_belongs_to_its_filter_and_its_caller(stage: Stage) -> None:
    for number in range(4):
        for model in ("model-a", "model-b"):
            request = messages("go", model=model)
            await stage.tell("messages", request, blocking(message()), session=f"{model}-{number}")
    first = stage.get("sessions", limit="3", model="model-a")
    cursor = first["next_cursor"]
    second = stage.get("sessions", limit="3", model="model-a", cursor=cursor)
    found = [row["id"] for page in (first, second) for row in page["sessions"]]
    assert found == [f"model-a-{number}" for number in (3, 2, 1, 0)]
    assert stage.query("sessions", limit="3", model="model-b", cursor=cursor)[0] == 400
    assert stage.query("sessions", limit="3", cursor=cursor)[0] == 400
    assert stage.query("sessions", "alice", limit="3", model="model-a", cursor=cursor)[0] == 400


async def test_defect_22_before_is_the_page_before_and_after_the_one_after(stage: Stage) -> None:
    ids = [
        (
            await stage.tell(
                "messages", messages(f"{number}"), blocking(message()), session="session-0022"
            )
        ).record["id"]
        for number in range(5)
    ]

    def page(**bound: str) -> list[str]:
        found = stage.get("sessions/session-0022", limit="2", **bound)
        return [thread["id"] for thread in found["threads"]]

    assert page() == ids[:2]
    assert page(after_id=ids[1]) == ids[2:4]
    assert page(before_id=ids[4]) == ids[2:4]
    assert page(before_id=ids[2]) == ids[:2]


async def test_defect_23_plain_filters_count_and_unknown_ones_are_refused(stage: Stage) -> None:
    await stage.tell("messages", GO["messages"], Script(ANSWER), session="session-0023")
    assert stage.get("sessions", model="another")["count"] == 0
    assert stage.get("sessions", model="claude-sonnet-5")["count"] == 1
    status, refused = stage.query("sessions", models="claude-sonnet-5")
    assert status == 400
    assert [fault["field"] for fault in refused["validations"]] == ["models"]


async def test_defect_26_thoughts_and_errors_of_any_turn_are_shown(stage: Stage) -> None:
    session = "session-0026"
    asking_ = Script(calling("toolu_1"))
    await stage.tell("messages", GO["messages"], asking_, session=session)
    request = messages("go", assistant(tool_use("toolu_1")), [tool_result("toolu_1")])
    body = message({"type": "thinking", "thinking": "hm"}, text("ok"))
    await stage.tell("messages", request, blocking(body), session=session)
    await stage.tell(
        "messages", request, blocking({"error": {"message": "no"}}, 500), session=session
    )
    (thread,) = stage.get(f"sessions/{session}")["threads"]
    first, second, third = thread["agentic_actions"]
    assert [call["tool"] for call in first["tool_calls"]] == ["Read"]
    assert second["thinking"] == [{"text": "hm"}]
    assert third["outcome"] == "failed"


async def test_defect_27_a_tool_call_shows_its_id_and_how_it_went(stage: Stage) -> None:
    session = "session-0027"
    await stage.tell("messages", GO["messages"], Script(calling("toolu_1")), session=session)
    failing = [tool_result("toolu_1", is_error=True)]
    request = messages("go", assistant(tool_use("toolu_1")), failing)
    await stage.tell("messages", request, blocking(message()), session=session)
    (thread,) = stage.get(f"sessions/{session}")["threads"]
    (call,) = thread["agentic_actions"][0]["tool_calls"]
    assert call["provider_tool_call_id"] == "toolu_1"
    assert call["result_is_error"] is True


async def test_defect_28_reasoning_of_chat_and_hosted_tools_of_messages_are_recorded(
    stage: Stage,
) -> None:
    told = await stage.replay("chat/reasoning_fragments", edited=True)
    assert told.rows["M"] == [("reasoning_content", "let me see")]
    hosted = await stage.replay("messages/hosted_web_search")
    assert {row["executed_by"] for row in hosted.record["tool_usages"]} == {"provider"}


RAW = '{ "z" : 1.50, "a":12345678901234567890123, "p":"\\u00e9\\/", "z":[ ] }'


@pytest.mark.parametrize("dialect", GO)
async def test_defect_29_a_tool_input_is_the_providers_own_text(stage: Stage, dialect: str) -> None:
    function = {"name": "Read", "arguments": RAW}
    whole = function_call("t1") | function
    events: dict[str, list[Any]] = {
        "messages": [start({}), *block(0, tool_use("t1"), json_delta(RAW)), delta({}), STOP],
        "chat": [
            chunk({"tool_calls": [{"index": 0, "id": "t1", "function": function}]}),
            chunk(finish="tool_calls"),
            DONE,
        ],
        "responses": [*added_and_done(0, whole), ended(response(whole))],
    }
    told = await streamed(stage, dialect, *events[dialect])
    assert told.rows["T"] == [("Read", "t1", RAW)]


async def test_defect_29_an_input_object_of_a_blocking_answer_too(stage: Stage) -> None:
    body = json.dumps(message(tool_use("t1"))).replace('"input": {}', f'"input": {RAW}')
    told = await stage.tell("messages", messages("go"), blocking(body.encode()))
    assert told.rows["T"] == [("Read", "t1", RAW)]


@pytest.mark.parametrize("dialect", PATHS)
async def test_defect_30_missing_wrong_and_malformed_have_their_own_answers(
    stage: Stage, dialect: str
) -> None:
    body = json.dumps(GO[dialect]).encode()
    wrong = {"x-api-key": new_secret()}
    answers = [
        await stage.send(PATHS[dialect], body, user=None),
        await stage.send(PATHS[dialect], body, wrong, user=None),
        await stage.send(PATHS[dialect], b'{"model":'),
    ]
    assert [(answer.status, answer.headers["x-ai-gateway-error"]) for answer in answers] == [
        (401, "missing_gateway_key"),
        (401, "invalid_gateway_key"),
        (400, "invalid_json"),
    ]
    assert stage.peer.seen == []
    assert await stage.recorded() == 1


@pytest.mark.parametrize("dialect", PATHS)
async def test_defect_31_our_errors_are_the_dialects_and_raise_its_exceptions(
    stage: Stage, dialect: str
) -> None:
    async with asking(stage, dialect, new_secret()) as ask:
        with pytest.raises(REFUSED, match="key"):
            await ask()
    async with gpt(stage, stage.secrets["alice"], "nowhere") as client:
        with pytest.raises(NOT_FOUND):
            await client.responses.create(model="m", input="go")
    answered = await stage.send(PATHS[dialect], b"{", user=None)
    document = answered.document
    assert (document.get("type") == "error") is (dialect == "messages")
    assert document["error"]["message"]


@pytest.mark.parametrize("dialect", PATHS)
async def test_defect_32_a_disabled_provider_is_refused_for_good(
    stage: Stage, dialect: str
) -> None:
    kind = "anthropic" if dialect == "messages" else "openai"
    await stage.add_provider("off", kind, "https://h.example", enabled=False)
    async with asking(stage, dialect, stage.secrets["alice"], "off") as ask:
        with pytest.raises(FAILED) as raised:
            await ask()
    answer = getattr(raised.value, "response")  # noqa: B009 - of either SDK
    assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "false")
    assert await stage.store.counters() == {("J", ("provider_disabled",)): {"n": 1}}


@pytest.mark.parametrize("dialect", PATHS)
async def test_defect_33_a_broken_provider_is_no_unknown_route(stage: Stage, dialect: str) -> None:
    name = PATHS[dialect].split("/")[1]
    await stage.add_provider("broken", name, "ftp://h.example")
    path = PATHS[dialect].replace(f"/{name}/", "/broken/")
    answered = await stage.send(path, json.dumps(GO[dialect]).encode())
    assert answered.status == 503
    assert answered.headers["x-ai-gateway-error"] == "provider_error"
    assert answered.headers["x-should-retry"] == "false"
    assert "base_url: " in answered.document["error"]["message"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_defect_34_a_probe_needs_no_key(stage: Stage, path: str) -> None:
    answered = await stage.send(path, method="GET", user=None)
    assert (answered.status, answered.document) == (200, {"status": "ok"})


@pytest.mark.parametrize("dialect", PATHS)
async def test_defect_39_nobody_speaks_for_another_account_while_the_feature_is_off(
    stage: Stage, dialect: str
) -> None:
    forged = {
        "x-ai-bridge-actor-id": "u-bob",
        "X-AI-Bridge-Actor-Metadata-Username": "bob",
        "x_ai_bridge_actor_metadata_email": "bob@example.com",
    }
    answer = Script(sse(STOP)) if dialect == "messages" else Script(sse(DONE))
    told = await stage.tell(dialect, GO[dialect], answer, forged)
    assert not [name for name in told.seen.headers if "actor" in name]
    stage.peer.scripts.append(blocking({}))
    models = PATHS[dialect].split("/v1/")[0] + "/v1/models"
    assert (await stage.send(models, b"", forged, method="GET")).status == 200
    assert not [name for name in stage.peer.seen[-1].headers if "actor" in name]


@pytest.mark.parametrize("dialect", PATHS)
async def test_defect_40_no_credential_of_the_client_goes_on(stage: Stage, dialect: str) -> None:
    planted = {
        name: f"secret-of-{name}"
        for name in (
            "cookie",
            "api-key",
            "x-goog-api-key",
            "coder-session-token",
            "proxy-authorization",
        )
    }
    answer = Script(sse(STOP)) if dialect == "messages" else Script(sse(DONE))
    told = await stage.tell(dialect, GO[dialect], answer, planted)
    assert "secret-of-" not in str(told.seen.headers)
    assert planted.keys().isdisjoint(told.seen.headers)


@pytest.mark.parametrize("dialect", GO)
async def test_defect_42_a_line_of_a_megabyte_is_read(stage: Stage, dialect: str) -> None:
    long = json.dumps({"text": "x" * 200_000})
    padding = {"x": "y" * 1_000_000}
    function = {"name": "Read", "arguments": long}
    whole = function_call("t1") | function
    events: dict[str, list[Any]] = {
        "messages": [
            start({}),
            *(event | padding for event in block(0, tool_use("t1"), json_delta(long))),
            delta({"output_tokens": 3}),
            STOP,
        ],
        "chat": [
            chunk({"tool_calls": [{"index": 0, "id": "t1", "function": function}]}) | padding,
            chunk(finish="tool_calls"),
            usage_chunk(prompt_tokens=1, completion_tokens=3),
            DONE,
        ],
        "responses": [*added_and_done(0, whole), ended(response(whole) | padding)],
    }
    script = Script(sse(*events[dialect]), piece=65_536)
    told = await stage.tell(dialect, GO[dialect], script)
    assert told.rows["T"] == [("Read", "t1", long)]
    assert told.record["token_usages"][0]["output_tokens"] == 3
    assert told.end == ("completed", None)


async def test_defect_47_the_served_model_is_priced_and_each_life_of_a_cache_apart(
    stage: Stage,
) -> None:
    """Claude Haiku 4.5: US$ 1, 5, 1.25 and, for an hour, 2 for a million tokens."""
    lives = {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000}
    usage = {
        "input_tokens": 1000,
        "output_tokens": 1000,
        "cache_creation_input_tokens": 3000,
        "cache_creation": lives,
    }
    body = message(usage=usage, model="claude-haiku-4-5-20251001")
    request = messages("go", model="claude-opus-4-1")
    told = await stage.tell("messages", request, blocking(body))
    (row,) = told.record["token_usages"]
    assert (told.record["model"], row["provider_model"]) == (
        "claude-opus-4-1",
        "claude-haiku-4-5-20251001",
    )
    assert row["cost_micros"] == 1000 + 5000 + 1250 + 4000
    assert row["cache_write_price_micros"] == 1_250_000
    assert row["cache_write_1h_price_micros"] == 2_000_000


@pytest.mark.parametrize(
    "base_url",
    [
        "http://provider.example",
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://[fd00:ec2::254]",
        "https://2130706433",
        "http://localhost:8080",
    ],
)
async def test_defect_44_a_provider_lives_neither_inside_nor_behind_plain_http(
    stage: Stage, base_url: str
) -> None:
    await stage.add_provider("inside", "anthropic", base_url)
    answered = await stage.send("/inside/v1/messages", json.dumps(GO["messages"]).encode())
    assert answered.status == 503
    assert answered.headers["x-ai-gateway-error"] == "provider_error"


AMBIENT = {
    "ANTHROPIC_API_KEY": "sk-ant-ambient-0123456789",
    "ANTHROPIC_AUTH_TOKEN": "sk-ant-ambient-token-0123456789",
    "OPENAI_API_KEY": "sk-ambient-0123456789",
    "OPENAI_ORG_ID": "org_ambient",
    "GITHUB_TOKEN": "ghp_ambient0123456789abcdef",
}
WATCHING = """
import os, runpy, sys
asked = set()
class Watched(type(os.environ)):
    def __getitem__(self, name):
        asked.add(name)
        return super().__getitem__(name)
    def __contains__(self, name):
        asked.add(name)
        return super().__contains__(name)
os.environ.__class__ = Watched
runpy.run_path(sys.argv[1], run_name="app")
print(" ".join(sorted(asked)))
"""


@pytest.mark.parametrize("function", ["gateway", "reload", "sessions"])
def test_defect_45_no_function_reads_a_providers_key_from_its_environment(
    function: str, tmp_path: Path
) -> None:
    layers = (ROOT / "layers" / "gateway", ROOT / "layers" / "runtime")
    environment = AMBIENT | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ":".join(map(str, layers)),
        "AIGW_STATE_DIR": str(tmp_path),
        "AIGW_LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-c", WATCHING, str(ROOT / "functions" / function / "app.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    asked = set(done.stdout.split())
    assert "AIGW_LOG_LEVEL" in asked, "the watch sees what is asked for"
    assert not asked & AMBIENT.keys()


async def test_defect_45_a_provider_without_a_key_is_given_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    for kind in ("anthropic", "openai"):
        await stage.add_provider(f"bare-{kind}", kind, "https://h.example", api_keys=[])
        answered = await stage.send(f"/bare-{kind}/v1/models", method="GET")
        assert answered.headers["x-ai-gateway-error"] == "missing_provider_key"
    assert stage.peer.seen == []
