"""How requests are served, rows 51 to 53, 64, 78, 80 to 82 and 85 to 87 of the acceptance table."""

import asyncio
import json
import resource
from collections.abc import AsyncGenerator, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import pytest

from aigateway.relay.asgi import Aborted
from aigateway.relay.assembly import build
from aigateway.relay.upstream import Answer, UpstreamRequest
from aigateway.settings import Settings
from aigateway.wire.messages import ResponseHead
from tests.acceptance.published import shown
from tests.acceptance.sdks import REFUSED, asking
from tests.acceptance.stage import Script, Stage, blocking, rows, set_up, take_down
from tests.acceptance.words import (
    ANSWER,
    ASKS,
    DONE,
    PATHS,
    PROVIDER_KEY,
    STOP,
    TOOL,
    block,
    chat,
    chunk,
    completion,
    created,
    delta,
    ended,
    message,
    messages,
    response,
    responses,
    sse,
    start,
    text,
)
from tests.builders import a_user, at

USER_ID = json.dumps({"device_id": "d", "session_id": "from-the-body"})
CODEX = {"user-agent": "codex_exec/0.169.0 (Debian)"}
CLAUDE = {"user-agent": "claude-cli/2.1.330 (external, cli)"}
SESSIONS = [
    ("Claude Code", CLAUDE | {"x-claude-code-session-id": "id-1"}, {}, "id-1"),
    ("Claude Code", CLAUDE, {"metadata": {"user_id": USER_ID}}, "from-the-body"),
    (
        "Claude Code",
        CLAUDE | {"x-claude-code-session-id": "  "},
        {"metadata": {"user_id": "user_h_account_a_session_old-form"}},
        "old-form",
    ),
    ("Codex", CODEX | {"session-id": "id-1", "session_id": "id-2"}, {}, "id-1"),
    ("Codex", CODEX | {"session-id": "", "session_id": "id-2"}, {}, "id-2"),
    ("Codex", CODEX, {"prompt_cache_key": "id-3"}, "id-3"),
    ("Mux", {"user-agent": "mux/1.0", "x-mux-workspace-id": "id-1"}, {}, "id-1"),
    ("Mux", {"user-agent": "xum/1.0", "x-mux-workspace-id": "id-1"}, {}, "id-1"),
    (
        "GitHub Copilot (VS Code)",
        {"user-agent": "GitHubCopilotChat/0.30", "x-interaction-id": "id-1"},
        {},
        "id-1",
    ),
    (
        "GitHub Copilot (VS Code)",
        {"user-agent": "GitHubCopilotChat/0.30", "vscode-sessionid": "window"},
        {},
        None,
    ),
    (
        "GitHub Copilot (CLI)",
        {"user-agent": "copilot/1.0", "x-client-session-id": "id-1"},
        {},
        "id-1",
    ),
    (
        "GitHub Copilot (CLI)",
        {"user-agent": "OpenAI/JS 5.20.1", "x-initiator": "user"},
        {"prompt_cache_key": "id-2"},
        "id-2",
    ),
    ("Kilo Code", {"user-agent": "kilo/latest/7.7.7/cli", "x-session-id": "ses_1"}, {}, "ses_1"),
    (
        "Kilo Code",
        {"user-agent": "opencode/7.7.7", "x-title": "Kilo Code", "x-session-id": "ses_1"},
        {},
        "ses_1",
    ),
    ("Kilo Code", {"originator": "kilo-code", "x-kilocode-taskid": "task"}, {}, "task"),
    ("Coder Agents", {"user-agent": "coder-agents/1", "x-coder-chat-id": "id-1"}, {}, "id-1"),
    ("OpenCode", {"user-agent": "opencode/1.18", "x-session-id": " ses_1 "}, {}, "ses_1"),
    ("OpenCode", {"user-agent": "opencode/1.18", "x-opencode-session": "ses_2"}, {}, "ses_2"),
    ("OpenCode", {"user-agent": "opencode/1.18", "x-session-affinity": "ses_3"}, {}, "ses_3"),
    ("Zed", {"user-agent": "Zed/1.0", "x-session-id": "generic-id"}, {}, "generic-id"),
    ("Roo Code", {"user-agent": "roo-code/3", "x-session-id": "short"}, {}, None),
    ("Cursor", {"x-cursor-client-version": "1.2"}, {}, None),
    ("Charm Crush", {"user-agent": "Charm Crush/0.1"}, {}, None),
    ("Junie", {"user-agent": "junie:1.0"}, {}, None),
    ("Unknown", {"user-agent": "curl/8", "x-session-id": "two words"}, {}, None),
    ("Unknown", {"x-claude-code-session-id": "not-its-client"}, {}, None),
    ("Unknown", {"x-cursor-client-version": " "}, {}, None),
]


@pytest.mark.parametrize(("client", "headers", "members", "session"), SESSIONS)
async def test_row_51_clients_and_their_sessions(
    stage: Stage,
    client: str,
    headers: dict[str, str],
    members: dict[str, Any],
    session: str | None,
) -> None:
    if "prompt_cache_key" in members:
        request = responses("go", tools=[TOOL], **members)
        told = await stage.tell("responses", request, blocking(response()), headers)
    else:
        request = messages("go", tools=[TOOL], **members)
        told = await stage.tell("messages", request, blocking(message(text("ok"))), headers)
    assert told.record["client"] == client
    assert told.record.get("client_session_id") == session
    assert told.record["session_id"] == session or told.record["id"]


async def test_row_52_pass_through_is_exact_keyed_counted_and_not_recorded(stage: Stage) -> None:
    stage.peer.scripts.append(blocking({"data": []}, x_models="1"))
    answered = await stage.send("/openai/v1/models?limit=10&x=%2F", method="GET")
    assert (answered.status, answered.document) == (200, {"data": []})
    assert answered.headers["x-models"] == "1"
    (seen,) = stage.peer.seen
    assert (seen.method, seen.url) == ("GET", "https://openai.example/v1/models?limit=10&x=%2F")
    assert seen.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert await stage.recorded() == 0
    ((kind, key),) = await stage.store.counters()
    assert (kind, key) == ("P", ("openai", "/v1/models", "GET"))
    assert await shown(stage, "passthrough_total") == {"GET openai /v1/models": 1}


async def test_row_53_the_base_urls_own_path_stays_in_front(stage: Stage) -> None:
    await stage.add_provider("deep", "openai", "https://h.example/x/v1")
    stage.peer.scripts += [blocking(response()), blocking({"data": []})]
    await stage.send("/deep/v1/responses?a=b", json.dumps(responses("go")).encode())
    await stage.send("/deep/v1/models/m-1", method="GET")
    assert [seen.url for seen in stage.peer.seen] == [
        "https://h.example/x/v1/responses?a=b",
        "https://h.example/x/v1/models/m-1",
    ]


async def test_row_64_a_client_that_leaves_ends_the_upstream_and_leaves_partial_rows(
    stage: Stage,
) -> None:
    usage = {"input_tokens": 5, "output_tokens": 1}
    events = [start(usage), *block(0, text("")), *[{"type": "ping"}] * 17]
    one = max(len(sse(event)) for event in events[:2])
    script = Script(sse(*events), stalls=True, piece=one)
    told = await stage.tell("messages", messages("go", stream=True), script, leaves_after=2)
    assert told.end == ("client_disconnected", None)
    assert stage.peer.closed_early == 1
    assert told.rows == rows(P=["go"], U=["5/1/0/0"])
    assert told.record["token_usages"][0]["partial"]
    assert told.record["response_bytes"] < len(script.body)


TINY = sse(
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "x"},
    }
).replace(b": ", b":")
STATM = Path("/proc/self/statm")
PAGE = resource.getpagesize()
LONG = (20 * 1024 * 1024) // (256 * len(TINY))


@final
class Endless:
    """Twenty megabytes of tiny events, none of which is kept anywhere."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, request: UpstreamRequest) -> Answer:
        if request.released is not None:
            await request.released
        head = ResponseHead(200, ((b"content-type", b"text/event-stream"),))
        return Answer(head, self._chunks())

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        first = sse(start({"input_tokens": 5, "output_tokens": 1}), *block(0, text(""), stop=False))
        last = sse(delta({"output_tokens": 256 * LONG}), STOP)
        many = TINY * 256
        for piece in (first, *[many] * LONG, last):
            self.sent += len(piece)
            yield piece

    async def aclose(self) -> None:
        return


async def test_row_78_twenty_megabytes_of_tiny_events_leave_memory_flat(stage: Stage) -> None:
    endless = Endless()
    settings = Settings(snapshot_poll_seconds=0.0)
    app = build(settings, stage.store, stage.keys, stage.clock, endless)
    body = json.dumps(messages("go", stream=True)).encode()
    waiting = [{"type": "http.request", "body": body, "more_body": False}]
    got, record = 0, ""
    resident: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await never()

    async def send(sent: MutableMapping[str, Any]) -> None:
        nonlocal got, record
        got += len(sent.get("body", b""))
        resident.append(resident_bytes())
        for name, content in sent.get("headers", ()):
            if name == b"x-ai-gateway-interception-id":
                record = content.decode()

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "raw_path": PATHS["messages"].encode(),
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {stage.secrets['alice']}".encode())],
    }
    await app(scope, receive, send)
    assert got == endless.sent > 20 * 1000 * 1000
    assert max(resident) - resident[0] < 4 * 1024 * 1024
    document = stage.get(f"interceptions/{record}")
    assert document["response_bytes"] == endless.sent
    assert document["token_usages"][0]["output_tokens"] == 256 * LONG
    assert document["outcome"] == "completed"


def resident_bytes() -> int:
    """Return the memory of this process (Linux: proc(5), statm)."""
    return int(STATM.read_text().split()[1]) * PAGE


async def never() -> MutableMapping[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def test_row_80_an_overload_is_one_before_and_within_the_body(stage: Stage) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    before = await stage.tell("messages", messages("go"), blocking(error, 529))
    begun = start({"input_tokens": 5, "output_tokens": 1})
    within = await stage.tell("messages", messages("go", stream=True), Script(sse(begun, error)))
    for told in (before, within):
        assert told.end == ("failed", "overloaded")
        assert told.record["error_message"] == "Overloaded"
        assert told.rows["P"] == ["go"]
    assert [told.record["http_status"] for told in (before, within)] == [529, 200]


@pytest.mark.parametrize(
    ("method", "path"),
    [("HEAD", "/api/hello"), ("HEAD", "/"), ("GET", "/"), ("GET", "/anthropic/api/hello")],
)
async def test_row_81_probes_need_no_key_and_leave_nothing(
    stage: Stage, method: str, path: str
) -> None:
    answered = await stage.send(path, method=method, user=None)
    assert answered.status == 200
    assert stage.peer.seen == []
    assert await stage.recorded() == 0
    assert await stage.store.counters() == {}


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("why", ["wrong", "expired", "suspended"])
async def test_row_82_a_key_that_is_no_good_is_refused_once_in_the_dialects_words(
    stage: Stage, dialect: str, why: str
) -> None:
    secret = stage.secrets["alice"]
    if why == "wrong":
        secret = secret[:-5] + "wrong"
    elif why == "expired":
        stage.clock.advance(86_400)
    else:
        await stage.store.change_user(a_user(), replace(a_user(), status="suspended"))
    async with asking(stage, dialect, secret) as ask:
        with pytest.raises(REFUSED) as raised:
            await ask()
    answer = getattr(raised.value, "response")  # noqa: B009 - of either SDK
    assert answer.status_code == 401
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-ai-gateway-error"] == "invalid_gateway_key"
    assert await stage.store.counters() == {("J", ("invalid_gateway_key",)): {"n": 1}}
    assert await shown(stage, "aigw_rejected_total") == {"invalid_gateway_key": 1}
    assert stage.peer.seen == []
    if why != "expired":
        assert await stage.recorded() == 0


STREAMS: dict[str, tuple[Any, list[Any]]] = {
    "messages": (messages("go", stream=True), [start({"input_tokens": 5}), {"type": "ping"}]),
    "chat": (chat("go", **ASKS), [chunk({"content": "a"}), chunk({"content": "b"})]),
    "responses": (
        responses("go", stream=True),
        [{"type": "response.created", "response": {"id": "resp_1"}}, {"type": "response.x"}],
    ),
}


@pytest.mark.parametrize("aborts", [True, False])
@pytest.mark.parametrize("dialect", STREAMS)
async def test_row_85_a_stream_that_stops_early_is_passed_on_as_it_stopped(
    stage: Stage, dialect: str, aborts: bool
) -> None:
    request, events = STREAMS[dialect]
    body = sse(*events, {"type": "unheard.of"})
    told = await stage.tell(dialect, request, Script(body, cut=aborts))
    assert told.answered.over is not aborts
    assert isinstance(told.answered.raised, Aborted) is aborts
    assert told.end == ("upstream_cut", "server_error")
    assert told.rows["P"] == ["go"]
    assert told.rows["U"] == (["5/0/0/0"] if dialect == "messages" else [])
    assert told.record["usage_partial"] is (dialect == "messages")
    assert told.record["usage_missing"] is (dialect != "messages")


HELD: dict[str, bytes] = {
    "messages": sse(start({"input_tokens": 5}), delta({"output_tokens": 1}), STOP),
    "chat": sse(chunk({"content": "a"}), chunk(finish="stop"), DONE),
    "responses": sse(created(), ended(response())),
}


@pytest.mark.parametrize("remembered", [0, 60])
@pytest.mark.parametrize("dialect", HELD)
async def test_row_86_a_revoked_keys_stream_ends_well_and_its_next_request_is_refused(
    dialect: str, remembered: int
) -> None:
    stage = await set_up(key_cache_seconds=remembered)
    gate = asyncio.Event()
    stage.peer.scripts.append(Script(HELD[dialect], gate=gate))
    body = json.dumps(STREAMS[dialect][0]).encode()
    running = asyncio.create_task(stage.send(PATHS[dialect], body))
    while not stage.peer.seen:  # noqa: ASYNC110 - the other task runs meanwhile
        await asyncio.sleep(0)
    (key,) = await stage.store.keys("u-alice")
    await stage.store.put_key(replace(key, revoked_at=stage.clock.now()))
    gate.set()
    answered = await running
    assert (answered.status, answered.body, answered.over) == (200, HELD[dialect], True)
    assert stage.record(answered)["outcome"] == "completed"
    stage.clock.advance(max(remembered - 1, 0))
    refused = await stage.send(PATHS[dialect], body)
    assert (refused.status, refused.headers["x-ai-gateway-error"]) == (401, "invalid_gateway_key")
    assert await stage.recorded() == 1
    await take_down(stage)


ANSWERS = {
    "messages": (messages("go"), blocking(message(text("ok")))),
    "chat": (chat("go"), blocking(completion())),
    "responses": (responses("go"), blocking(response())),
}
FOREIGN = "sk-own-subscription-0123456789"


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
@pytest.mark.parametrize("dialect", ANSWERS)
async def test_row_87_either_header_is_taken_and_only_the_providers_key_goes_on(
    stage: Stage, dialect: str, header: str
) -> None:
    request, script = ANSWERS[dialect]
    stage.peer.scripts.append(script)
    secret = stage.secrets["alice"]
    shown = {header: f"Bearer {secret}" if header == "authorization" else secret}
    answered = await stage.send(PATHS[dialect], json.dumps(request).encode(), shown, user=None)
    assert answered.status == 200
    headers = stage.peer.seen[-1].headers
    wanted = {
        "messages": {"x-api-key": PROVIDER_KEY},
    }.get(dialect, {"authorization": f"Bearer {PROVIDER_KEY}"})
    sent = {n: v for n, v in headers.items() if n in ("authorization", "x-api-key")}
    assert sent == wanted
    assert secret not in str(headers)
    assert stage.record(answered)["credential_kind"] == "centralized"


@pytest.mark.parametrize("dialect", ANSWERS)
async def test_row_87_a_gateway_key_beside_a_foreign_bearer_is_the_callers_own(
    stage: Stage, dialect: str
) -> None:
    request, script = ANSWERS[dialect]
    shown = {"x-api-key": stage.secrets["alice"], "authorization": f"Bearer {FOREIGN}"}
    stage.peer.scripts.append(script)
    answered = await stage.send(PATHS[dialect], json.dumps(request).encode(), shown, user=None)
    headers = stage.peer.seen[-1].headers
    assert headers["authorization"] == f"Bearer {FOREIGN}"
    assert "x-api-key" not in headers
    record = stage.record(answered)
    assert (record["credential_kind"], record["credential_hint"]) == ("byok", "sk-o...6789")


async def test_a_stage_tells_when_the_bytes_differ(stage: Stage) -> None:
    """The checks that every row relies on can fail."""
    asked = chat("go", stream=True)
    script = Script(sse(chunk(finish="stop"), DONE))
    with pytest.raises(AssertionError):
        await stage.tell("chat", asked, script)
    assert (await stage.tell("messages", messages("go", stream=True), Script(ANSWER))).end
    assert at(0) < stage.clock.now()
    assert ended(response())["type"] == "response.completed"
