"""What an operator sees of one request in its spans: rows 77 and 94, defects 37, 38 and 49."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aigateway.caller.keys import new_secret
from aigateway.relay.assembly import build
from aigateway.settings import Settings
from aigateway.telemetry.log_events import LogEvents
from aigateway.telemetry.span_names import SPANS
from aigateway.telemetry.spans import Span
from tests.acceptance.stage import Script, Stage, blocking
from tests.acceptance.words import (
    PATHS,
    STOP,
    block,
    calling,
    delta,
    json_delta,
    message,
    messages,
    response,
    sse,
    start,
    text,
    tool_use,
)
from tests.certificates import an_authority
from tests.otlp import collecting
from tests.traces import Kept, one

INTERCEPT = (
    "Intercept",
    "CachedBridgePool.Acquire",
    "Intercept.CreateInterceptor",
    "Intercept.ProcessRequest",
    "Intercept.ProcessRequest.Upstream",
    "Intercept.RecordInterception",
    "Intercept.RecordPromptUsage",
    "Intercept.RecordTokenUsage",
    "Intercept.RecordInterceptionEnded",
)
OF_TOOL_SERVERS = {
    "Intercept.ProcessRequest.ToolCall",
    "ServerProxyManager.Init",
    "StreamableHTTPServerProxy.Init",
    "StreamableHTTPServerProxy.Init.fetchTools",
}
"""Spans of a part that does not exist yet."""

UPSTREAM = "Intercept.ProcessRequest.Upstream"
PROMPT = "an unmistakable prompt"
THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
FULL = sse(
    start({"input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": 20}),
    *block(0, THOUGHT, {"type": "thinking_delta", "thinking": "an unmistakable thought"}),
    *block(1, tool_use("toolu_1"), json_delta('{"path":"an unmistakable path"}')),
    *block(2, tool_use("toolu_2", "Bash"), json_delta("{}")),
    delta({"output_tokens": 9}, "tool_use"),
    STOP,
)
ASKED = messages(PROMPT, stream=True)


def tree(stage: Stage) -> dict[str, str | None]:
    return {s.name: s.parent.name if s.parent else None for s in stage.traces.last.spans}


def events(span: Span) -> list[str]:
    return [event.name for event in span.events]


async def test_each_kind_of_exchange_has_its_spans_once_below_their_parents(stage: Stage) -> None:
    await stage.tell("messages", ASKED, Script(FULL))
    assert stage.traces.names() == Counter(INTERCEPT) + Counter(
        {"Intercept.RecordToolUsage": 2, "Intercept.RecordModelThought": 1}
    )
    found = tree(stage)
    stage.peer.scripts.append(blocking({"data": []}))
    await stage.send("/openai/v1/models", method="GET")
    assert stage.traces.names() == Counter(["Passthrough", "CachedBridgePool.Acquire"])
    seen = {**found, "Passthrough": None}
    assert seen == {each.name: each.parent for each in SPANS if each.name not in OF_TOOL_SERVERS}


@pytest.mark.parametrize("dialect", PATHS)
async def test_a_plain_call_has_every_span_once(stage: Stage, dialect: str) -> None:
    answers = {
        "messages": message(text("ok")),
        "responses": response(),
        "chat": {
            "id": "c",
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "ok"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        },
    }
    asked = {"messages": [{"role": "user", "content": "go"}], "model": "m"}
    request = {"model": "m", "input": "go"} if dialect == "responses" else asked
    await stage.tell(dialect, request, blocking(answers[dialect]))
    assert stage.traces.names() == Counter(INTERCEPT)


async def test_spans_say_what_the_record_says(stage: Stage) -> None:
    told = await stage.tell("messages", ASKED, Script(FULL), client="Claude Code")
    trace, record = stage.traces.last, told.record
    base = {
        "request_path": PATHS["messages"],
        "interception_id": record["id"],
        "user_id": record["initiator"]["id"],
        "provider": "anthropic",
        "model": "claude-sonnet-5",
        "streaming": True,
        "aws_bedrock": False,
    }
    for span in trace.spans:
        if span.name != "CachedBridgePool.Acquire":
            assert span.attributes.items() >= base.items(), span.name
    acquire = one(trace, "CachedBridgePool.Acquire")
    assert acquire.attributes.keys() == {"user_id", "api_key_id"}
    assert events(acquire) in (["cache_hit"], ["cache_miss"])
    assert trace.root.attributes["client"] == "Claude Code"
    assert trace.root.attributes["outcome"] == "completed"
    upstream = one(trace, UPSTREAM)
    assert events(upstream) == ["first_byte"]
    own = {n: v for n, v in upstream.attributes.items() if n not in base}
    assert own.pop("gen_ai.response.time_to_first_chunk") == 0.0
    assert own.pop("gen_ai.conversation.id")
    assert own == {
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-5",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "claude-sonnet-5-x",
        "gen_ai.response.id": "msg_1",
        "gen_ai.response.finish_reasons": ("tool_use",),
        "gen_ai.usage.input_tokens": 27,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 0,
    }
    tools = [span.attributes for span in trace.named("Intercept.RecordToolUsage")]
    assert [tool["gen_ai.tool.name"] for tool in tools] == ["Read", "Bash"]
    assert [tool["gen_ai.tool.call.id"] for tool in tools] == ["toolu_1", "toolu_2"]
    assert all(span.error_type is None for span in trace.spans)


async def test_a_failed_call_is_in_error_where_it_failed(stage: Stage) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    await stage.tell("messages", messages("go"), blocking(overloaded, 529))
    trace = stage.traces.last
    failed = {span.name: span.error_type for span in trace.spans if span.error_type}
    assert failed == dict.fromkeys(
        ("Intercept", "Intercept.ProcessRequest", UPSTREAM), "overloaded"
    )
    assert one(trace, UPSTREAM).attributes["http.response.status_code"] == 529


async def test_a_cut_stream_is_an_error_too(stage: Stage) -> None:
    cut = Script(sse(start({"input_tokens": 3, "output_tokens": 1})), cut=True)
    told = await stage.tell("messages", ASKED, cut)
    assert told.end[0] == "upstream_cut"
    assert one(stage.traces.last, UPSTREAM).error_type == "server_error"
    assert stage.traces.last.root.attributes["outcome"] == "upstream_cut"


async def test_what_is_passed_through_and_cut_is_an_error(stage: Stage) -> None:
    stage.peer.scripts.append(Script(b"{}", content_type="application/json", cut=True))
    await stage.send("/openai/v1/models", method="GET")
    assert stage.traces.last.root.error_type == "upstream_cut"
    assert events(stage.traces.last.root) == ["first_byte"]


async def test_every_key_that_is_tried_is_an_attempt(stage: Stage) -> None:
    keys = [{"id": key_id, "masked": "sk-p...nted"} for key_id in ("k1", "k2")]
    await stage.add_provider("pooled", "anthropic", "https://pooled.example", api_keys=keys)
    limit = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    stage.peer.scripts += [blocking(limit, 429, retry_after="17"), blocking(message(text("ok")))]
    answered = await stage.send("/pooled/v1/messages", json.dumps(messages("go")).encode())
    assert answered.status == 200
    first, second = stage.traces.last.named(UPSTREAM)
    assert (first.error_type, second.error_type) == ("429", None)
    assert events(first) == ["first_byte"]
    assert events(second) == ["key_failover", "first_byte"]
    assert second.events[0].attributes == {"attempt": 2, "http.response.status_code": 429}
    assert stage.traces.last.root.error_type is None
    assert "gen_ai.usage.input_tokens" not in first.attributes


async def test_what_is_refused_before_it_begins_leaves_no_span(stage: Stage) -> None:
    assert (await stage.send(PATHS["messages"], b"{}", user=None)).status == 401
    assert (await stage.send("/nobody/v1/messages", b"{}")).status == 404
    assert stage.traces.traces == []


async def test_what_the_gateway_answers_itself_is_traced_with_its_record(stage: Stage) -> None:
    answered = await stage.send(PATHS["messages"], b"no json")
    assert answered.status == 400
    assert stage.traces.last.root.error_type == "bad_request"
    assert stage.traces.names()["Intercept.RecordInterceptionEnded"] == 1
    assert UPSTREAM not in stage.traces.names()


async def test_defect_37_the_span_of_a_stream_ends_with_its_last_byte(stage: Stage) -> None:
    gate = asyncio.Event()
    script = Script(FULL, gate=gate)
    running = asyncio.create_task(stage.tell("messages", ASKED, script))
    while not stage.peer.seen:  # noqa: ASYNC110 - the provider is asked by other tasks
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    stage.clock.advance(40)
    gate.set()
    await running
    upstream = one(stage.traces.last, UPSTREAM)
    assert upstream.ended_at is not None
    assert (upstream.ended_at - upstream.started_at).total_seconds() == 40
    (first_byte,) = upstream.events
    assert first_byte.at == upstream.started_at
    process = one(stage.traces.last, "Intercept.ProcessRequest")
    assert process.ended_at == upstream.ended_at


async def test_defect_38_inputs_of_tools_are_opt_in(stage: Stage) -> None:
    await stage.tell("messages", ASKED, Script(FULL))
    assert stage.traces.leaks() == []
    kept = Kept(content=True)
    await kept.send(stage.traces.last)
    told = one(stage.traces.last, UPSTREAM).attributes["gen_ai.input.messages"]
    assert json.loads(str(told)) == [
        {"role": "user", "parts": [{"type": "text", "content": PROMPT}]}
    ]
    tools = [span.attributes for span in stage.traces.last.named("Intercept.RecordToolUsage")]
    assert [tool["gen_ai.tool.call.arguments"] for tool in tools] == [
        '{"path":"an unmistakable path"}',
        "{}",
    ]
    assert kept.leaks() != []
    stage.traces.traces.clear()


async def test_defect_38_query_strings_are_redacted(stage: Stage) -> None:
    stage.peer.scripts.append(blocking({"data": []}))
    await stage.send("/openai/v1/models?key=planted-in-a-query", method="GET")
    assert stage.peer.seen[-1].url.endswith("?key=planted-in-a-query")
    root = stage.traces.last.root
    assert root.attributes == {
        "passthrough_url": "/openai/v1/models?...",
        "passthrough_upstream_url": "https://openai.example/v1/models?...",
        "passthrough_method": "GET",
        "http.response.status_code": 200,
    }
    stage.peer.scripts.append(Script(FULL))
    sent = json.dumps(ASKED).encode()
    await stage.send(PATHS["messages"] + "?beta=planted-in-a-query", sent)
    assert "planted" not in str([span.attributes for span in stage.traces.last.spans])


@pytest.mark.parametrize("trusts", [True, False])
async def test_defect_49_an_https_endpoint_is_spoken_to_by_tls(
    stage: Stage, trusts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = an_authority(tmp_path / "authority")
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # they go before OpenTelemetry's own
        monkeypatch.delenv(variable, raising=False)
    if trusts:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(authority.file))
    with collecting(authority.server("localhost")) as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.endpoint)
        settings = Settings(trace_enable=True)
        stage.app = build(settings, stage.store, stage.keys, stage.clock, stage.peer)
        await stage.tell("messages", ASKED, Script(FULL))
        assert collected.requests == (1 if trusts else 0)


async def test_defect_49_only_an_http_endpoint_is_spoken_to_in_plaintext(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collected:
        wrong = "https://" + collected.endpoint.removeprefix("http://")
        for endpoint, requests in ((wrong, 0), (collected.endpoint, 1)):
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            settings = Settings(trace_enable=True)
            stage.app = build(settings, stage.store, stage.keys, stage.clock, stage.peer)
            await stage.tell("messages", ASKED, Script(FULL))
            assert collected.requests == requests


@contextmanager
def logged() -> Iterator[None]:
    """Capture the log as a gateway with ``AIGW_TRACE_LOGS`` does."""
    handler = LogEvents()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def lines(stage: Stage) -> dict[str, list[dict[str, object]]]:
    """Return the captured lines of the last trace by span."""
    return {
        span.name: [dict(event.attributes) for event in span.events if event.name == "log"]
        for span in stage.traces.last.spans
        if any(event.name == "log" for event in span.events)
    }


NO_JSON = sse(
    start({"input_tokens": 3, "output_tokens": 1}),
    *block(0, tool_use("toolu_1"), json_delta("no json")),
    delta({"output_tokens": 9}, "tool_use"),
    STOP,
)


async def test_row_77_log_lines_are_events_of_the_span_that_lasts(stage: Stage) -> None:
    with logged():
        told = await stage.tell("messages", ASKED, Script(NO_JSON))
    assert lines(stage) == {
        "Intercept": [
            {
                "log.severity": "WARNING",
                "log.message": "the input of a tool call is no JSON",
                "logger": "aigateway.relay.doubts",
                "log.interception_id": told.record["id"],
                "log.provider_name": "anthropic",
                "log.route": "/v1/messages",
                "log.tool_inputs_not_json": 1,
            }
        ]
    }


async def test_row_77_without_it_no_line_is_an_event(stage: Stage) -> None:
    await stage.tell("messages", ASKED, Script(NO_JSON))
    assert lines(stage) == {}


async def test_row_94_no_span_shows_a_credential_or_what_was_said(stage: Stage) -> None:
    own, ours = "sk-planted-own-0123456789", new_secret()
    asked = messages(f"{PROMPT} {own}", stream=True) | {"model": f"m-{own}"}
    stage.peer.scripts += [Script(FULL), blocking({"data": []}), Script(calling("toolu_9"))]
    with logged():
        headers = {"x-api-key": own, "authorization": f"Bearer {stage.secrets['alice']}"}
        await stage.send(PATHS["messages"], json.dumps(asked).encode(), headers)
        await stage.send(f"/openai/v1/models?key={ours}", method="GET")
        session = {"x-session-id": f"session-{own}"}
        await stage.send(PATHS["messages"], json.dumps(ASKED).encode(), session)
    assert len(stage.traces.traces) == 3
    assert stage.traces.leaks() == []
    said = str([(s.attributes, s.events) for t in stage.traces.traces for s in t.spans])
    planted = (own, ours, PROMPT, "an unmistakable thought", "an unmistakable path")
    assert [text for text in planted if text in said] == []


async def test_a_span_that_told_a_prompt_would_be_found(stage: Stage) -> None:
    await stage.tell("messages", ASKED, Script(FULL))
    for planted in (f"it said: {PROMPT}", "key sk-planted-0123456789"):
        stage.traces.last.root.attributes["client"] = planted
        assert stage.traces.leaks() != []
    stage.traces.traces.clear()
