"""Providers of Amazon Bedrock: row 89 of the acceptance table, and what goes with it."""

import json
from base64 import b64encode
from typing import Any

import pytest

from local.in_process import Answered
from local.scripted.eventstream import message as framed
from tests.acceptance.stage import Script, Stage, blocking, counts
from tests.acceptance.words import (
    CLIENTS,
    STOP,
    TOOL,
    block,
    chat,
    completion,
    delta,
    json_delta,
    message,
    messages,
    response,
    responses,
    sse,
    start,
    text,
    tool_use,
)

SESSION = "11112222-3333-4444-5555-666677778888"
USER_ID = json.dumps({"device_id": "d", "session_id": SESSION})
HAIKU = messages(
    "go",
    model="claude-haiku-4-5",
    metadata={"user_id": USER_ID},
    thinking={"type": "adaptive"},
    max_tokens=4000,
    tools=[TOOL],
)
EVENTS = (
    start({"input_tokens": 7, "output_tokens": 1}),
    *block(0, tool_use("call_1"), json_delta('{"a": 1}')),
    delta({"output_tokens": 9}, "tool_use"),
    STOP,
)
BASE = "https://bedrock-runtime.us-east-1.amazonaws.com"
FRAMED = "application/vnd.amazon.eventstream"


async def bedrock(stage: Stage, **settings: object) -> None:
    plain = {
        "_type": "bedrock",
        "_version": 1,
        "region": "us-east-1",
        "model": "big-v1:0",
        "small_fast_model": "small-v1:0",
        "credentials_ref": {"id": "aws", "masked": "AKIA...0000"},
    }
    more = {"api_keys": [], "settings": plain | settings}
    await stage.add_provider("bedrock", "bedrock", "", **more)


async def asked(stage: Stage, path: str, request: dict[str, Any], script: Script) -> Answered:
    stage.peer.scripts.append(script)
    shown = CLIENTS["Claude Code"] | {"anthropic-version": "2023-06-01"}
    return await stage.send(f"/bedrock{path}", json.dumps(request).encode(), shown)


def frames(*events: Any) -> bytes:  # noqa: ANN401 - events are JSON of any shape
    headers = {":message-type": "event", ":event-type": "chunk"}
    return b"".join(
        framed(headers, json.dumps({"bytes": b64encode(json.dumps(e).encode()).decode()}).encode())
        for e in events
    )


@pytest.mark.parametrize("stream", [True, False])
async def test_row_89_the_small_model_is_called_and_the_session_known(
    stage: Stage, stream: bool
) -> None:
    await bedrock(stage)
    if stream:
        script = Script(frames(*EVENTS), 200, FRAMED, (("x-amzn-requestid", "aws-1"),))
    else:
        answer = message(tool_use("call_1"), usage={"input_tokens": 7, "output_tokens": 9})
        script = blocking(answer, x_amzn_requestid="aws-1")
    answered = await asked(stage, "/v1/messages", HAIKU | {"stream": stream}, script)
    assert answered.status == 200
    assert answered.body == (sse(*EVENTS) if stream else script.body)
    (seen,) = stage.peer.seen
    operation = "invoke-with-response-stream" if stream else "invoke"
    assert seen.url == f"{BASE}/model/small-v1%3A0/{operation}"
    assert json.loads(seen.body) == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 4000,
        "messages": HAIKU["messages"],
        "tools": [TOOL],
        "thinking": {"type": "adaptive"},
    }
    assert "/us-east-1/bedrock/aws4_request" in seen.headers["authorization"]
    record = stage.record(answered)
    assert (record["model"], record["client_session_id"]) == ("small-v1:0", SESSION)
    assert record["metadata"]["aws_bedrock"] == "true"
    assert record["metadata"]["requested_model"] == "claude-haiku-4-5"
    assert (record["provider"], record["provider_type"]) == ("anthropic", "bedrock")
    assert record["credential_kind"] == "centralized"
    assert record["credential_hint"] == "AKIA...0000"
    assert record["provider_request_id"] == "aws-1"
    assert (record["outcome"], record["streaming"]) == ("completed", stream)
    assert [counts(row) for row in record["token_usages"]] == ["7/9/0/0"]
    assert [row["tool"] for row in record["tool_usages"]] == ["Read"]
    assert [row["prompt"] for row in record["user_prompts"]] == ["go"]


async def test_an_older_model_gets_a_budget_to_think(stage: Stage) -> None:
    await bedrock(stage, small_fast_model="global.anthropic.claude-haiku-4-5-20251001-v1:0")
    await asked(stage, "/v1/messages", HAIKU, blocking(message(text("ok"))))
    (seen,) = stage.peer.seen
    assert json.loads(seen.body)["thinking"] == {"type": "enabled", "budget_tokens": 3200}


async def test_an_exception_of_the_stream_fails_the_exchange(stage: Stage) -> None:
    await bedrock(stage)
    headers = {":message-type": "exception", ":exception-type": "throttlingException"}
    broken = frames(*EVENTS[:2]) + framed(headers, b'{"message":"slow down"}')
    request = HAIKU | {"stream": True}
    answered = await asked(stage, "/v1/messages", request, Script(broken, 200, FRAMED))
    assert answered.over
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    assert answered.events()[-1] == error
    record = stage.record(answered)
    assert (record["outcome"], record["error_type"]) == ("failed", "rate_limited")
    assert record["error_message"] == "slow down"


@pytest.mark.parametrize("end", [b"", b"damaged-damaged"])
async def test_a_stream_that_breaks_off_or_is_damaged_is_a_cut(stage: Stage, end: bytes) -> None:
    await bedrock(stage)
    script = Script(frames(*EVENTS[:3]) + end, 200, FRAMED, cut=not end)
    answered = await asked(stage, "/v1/messages", HAIKU | {"stream": True}, script)
    assert not answered.over
    assert answered.body == sse(*EVENTS[:3])
    assert stage.record(answered)["outcome"] == "upstream_cut"


async def test_an_error_has_the_dialects_words_and_bedrocks_status(stage: Stage) -> None:
    await bedrock(stage)
    script = blocking({"message": "wait"}, 429, x_amzn_errortype="ThrottlingException:http://x/")
    answered = await asked(stage, "/v1/messages", HAIKU, script)
    assert answered.status == 429
    assert answered.document["error"] == {"type": "rate_limit_error", "message": "wait"}
    record = stage.record(answered)
    assert (record["error_type"], record["error_message"]) == ("rate_limited", "wait")


NATIVE = {
    "messages": (messages("go", metadata={"user_id": "u"}), message(text("ok"))),
    "chat": (chat("go"), completion()),
    "responses": (responses("go"), response()),
}


@pytest.mark.parametrize("dialect", NATIVE)
async def test_mantle_gets_the_bytes_of_the_client_in_three_dialects(
    stage: Stage, dialect: str
) -> None:
    await bedrock(stage, protocol="mantle")
    paths = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}
    path = paths.get(dialect, "/v1/responses")
    request, answer = NATIVE[dialect]
    answered = await asked(stage, path, request, blocking(answer))
    assert answered.document == answer
    (seen,) = stage.peer.seen
    below = "/anthropic" if dialect == "messages" else ""
    assert seen.url == f"https://bedrock-mantle.us-east-1.api.aws{below}{path}"
    assert seen.body == json.dumps(request).encode()
    assert "/us-east-1/bedrock-mantle/aws4_request" in seen.headers["authorization"]
    record = stage.record(answered)
    assert (record["model"], record["dialect"]) == (request["model"], dialect)
    assert record["metadata"]["aws_bedrock"] == "true"
    assert "requested_model" not in record["metadata"]


async def test_a_body_that_cannot_be_translated_goes_nowhere(stage: Stage) -> None:
    await bedrock(stage)
    coded = {"content-encoding": "unheard-of"} | CLIENTS["Claude Code"]
    answered = await stage.send("/bedrock/v1/messages", b"{}", coded)
    assert (answered.status, answered.headers["x-ai-gateway-error"]) == (400, "unreadable_body")
    assert stage.peer.seen == []


async def test_a_body_that_is_no_json_is_refused_and_recorded(stage: Stage) -> None:
    await bedrock(stage)
    answered = await stage.send("/bedrock/v1/messages", b"{", CLIENTS["Claude Code"])
    assert (answered.status, answered.headers["x-ai-gateway-error"]) == (400, "invalid_json")
    assert stage.record(answered)["error_type"] == "bad_request"
    assert stage.peer.seen == []


async def test_a_secret_that_is_no_pair_of_keys_sends_nothing(stage: Stage) -> None:
    await bedrock(stage, credentials_ref={"id": "other", "masked": "sk-p...nted"})
    answered = await stage.send("/bedrock/v1/messages", json.dumps(HAIKU).encode())
    assert (answered.status, answered.headers["x-ai-gateway-error"]) == (
        503,
        "credentials_unavailable",
    )
    assert stage.peer.seen == []
    assert stage.record(answered)["outcome"] == "failed"


async def test_i10_a_callers_own_key_goes_as_it_came_and_nothing_is_signed(stage: Stage) -> None:
    await bedrock(stage)
    body, script = json.dumps(HAIKU).encode(), blocking(message(text("ok")))
    stage.peer.scripts.append(script)
    answered = await stage.send("/bedrock/v1/messages", body, {"x-api-key": "bedrock-own-planted"})
    (seen,) = stage.peer.seen
    assert seen.headers["authorization"] == "Bearer bedrock-own-planted"
    assert "x-amz-date" not in seen.headers
    assert "x-api-key" not in seen.headers
    assert stage.record(answered)["credential_kind"] == "byok"
