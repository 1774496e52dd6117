"""Who may use what, and with whose credential: rows 60, 65, 83, 88 and 90, and access rules."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, final

import anthropic
import httpx2
import openai
import pytest

from aigateway.caller.access import Rule
from aigateway.relay.assembly import build
from aigateway.relay.upstream import Answer, UpstreamRequest
from aigateway.settings import Settings
from tests.acceptance.published import shown
from tests.acceptance.sdks import FAILED, NOT_FOUND, asking
from tests.acceptance.stage import Script, Stage, blocking, set_up, take_down
from tests.acceptance.words import (
    PATHS,
    PROVIDER_KEY,
    chat,
    completion,
    message,
    messages,
    response,
    responses,
    text,
)

REQUESTS: dict[str, Any] = {
    "messages": messages("go"),
    "chat": chat("go"),
    "responses": responses("go"),
}
ANSWERS = {
    "messages": blocking(message(text("ok"))),
    "chat": blocking(completion()),
    "responses": blocking(response()),
}
OWN = "sk-own-credential-0123456789"
GITHUB = "gho_invented0123456789abcdef"
DENIED = (anthropic.PermissionDeniedError, openai.PermissionDeniedError)


@asynccontextmanager
async def staged(**settings: Any) -> AsyncIterator[Stage]:  # noqa: ANN401 - fields of Settings
    made = await set_up(**settings)
    try:
        yield made
    finally:
        await take_down(made)


async def send(
    stage: Stage, path: str, request: object, headers: dict[str, str]
) -> tuple[int, str | None, dict[str, Any]]:
    """Return status, our error code if any, and the body."""
    answered = await stage.send(path, json.dumps(request).encode(), headers, user=None)
    return answered.status, answered.headers.get("x-ai-gateway-error"), answered.document


def beside(stage: Stage, **own: str) -> dict[str, str]:
    """Return the gateway key in its own header, and the caller's own credential."""
    named = {name.replace("_", "-"): value for name, value in own.items()}
    return {"x-ai-gateway-token": stage.secrets["alice"], **named}


@final
class Looking:
    """Answers like the stage's provider; before that it looks at what is recorded."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.recorded: list[dict[str, Any]] = []

    async def send(self, request: UpstreamRequest) -> Answer:
        assert request.released is not None
        await request.released
        page = await asyncio.to_thread(self._stage.get, "interceptions", include="inflight")
        self.recorded.extend(page["results"])
        return await self._stage.peer.send(request)

    async def aclose(self) -> None:
        return


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
@pytest.mark.parametrize("dialect", PATHS)
async def test_row_60_an_own_credential_is_forwarded_and_its_hint_recorded_at_the_start(
    stage: Stage, dialect: str, header: str
) -> None:
    looking = Looking(stage)
    app = build(Settings(), stage.store, stage.keys, stage.clock, looking)
    stage.peer.scripts.append(ANSWERS[dialect])
    value = f"Bearer {OWN}" if header == "authorization" else OWN
    shown = beside(stage) | {header: value, "openai-project": "proj_of_the_caller"}
    status, _, _ = await send(replace(stage, app=app), PATHS[dialect], REQUESTS[dialect], shown)
    sent = stage.peer.seen[-1].headers
    if dialect != "messages":
        header, value = "authorization", f"Bearer {OWN}"
    assert (status, sent[header]) == (200, value)
    assert sent["openai-project"] == "proj_of_the_caller"
    assert {"authorization", "x-api-key", "x-ai-gateway-token"} & sent.keys() == {header}
    (record,) = looking.recorded
    assert (record["credential_kind"], record["credential_hint"]) == ("byok", "sk-o...6789")
    assert record["ended_at"] is None


@pytest.mark.parametrize("dialect", PATHS)
async def test_row_60_where_own_credentials_are_off_they_are_refused(dialect: str) -> None:
    async with staged(allow_byok=False) as stage:
        shown = beside(stage, authorization=f"Bearer {OWN}")
        status, code, document = await send(stage, PATHS[dialect], REQUESTS[dialect], shown)
        assert (status, code) == (403, "byok_disabled")
        assert document["error"]["type"] == "permission_error"
        assert stage.peer.seen == []
        assert await stage.recorded() == 0
        assert await stage.store.counters() == {("J", ("byok_disabled",)): {"n": 1}}
        stage.peer.scripts.append(ANSWERS[dialect])
        central = {"x-ai-gateway-token": stage.secrets["alice"]}
        assert (await send(stage, PATHS[dialect], REQUESTS[dialect], central))[0] == 200


IN_AN_ERROR = [OWN, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJpbnZlbnRlZCJ9.c2lnbmF0dXJl", GITHUB]


@pytest.mark.parametrize("own", IN_AN_ERROR)
async def test_row_60_an_own_credential_that_an_error_quotes_is_not_recorded(
    stage: Stage, own: str
) -> None:
    error = {"error": {"message": f"Incorrect API key provided: {own}."}}
    stage.peer.scripts.append(blocking(error, 401))
    body = json.dumps(chat("go")).encode()
    shown = beside(stage, authorization=f"Bearer {own}")
    answered = await stage.send(PATHS["chat"], body, shown, user=None)
    assert own in answered.body.decode()
    record = json.dumps(stage.record(answered))
    assert "Incorrect API key provided" in record
    assert own not in record


@final
class Counting:
    """The gateway as an SDK reaches it, with the number of requests that it got."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self.requests = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        self.requests += 1
        await self._app(scope, receive, send)


async def ask(stage: Stage, dialect: str, provider: str) -> tuple[int, httpx2.Response]:
    """Ask with the vendor's SDK and its default retries; how many requests came, and the end."""
    app: Any = Counting(stage.app)
    async with asking(replace(stage, app=app), dialect, stage.secrets["alice"], provider) as call:
        with pytest.raises((*FAILED, *NOT_FOUND, *DENIED)) as raised:
            await call()
    answer: httpx2.Response = getattr(raised.value, "response")  # noqa: B009 - of either SDK
    return app.requests, answer


FAMILY = {"messages": "anthropic", "chat": "openai", "responses": "openai"}


async def add_unusable(stage: Stage, dialect: str) -> None:
    kind = FAMILY[dialect]
    await stage.add_provider("off", kind, "https://h.example", enabled=False)
    await stage.add_provider("broken", kind, "https://h.example", idle_timeout_s="soon")


@pytest.mark.parametrize(
    ("provider", "status", "code"),
    [
        ("off", 503, "provider_disabled"),
        ("broken", 503, "provider_error"),
        ("nowhere", 404, "route_not_supported"),
    ],
)
@pytest.mark.parametrize("dialect", PATHS)
async def test_row_65_a_provider_that_cannot_be_used_says_so_and_leaves_no_record(
    stage: Stage, dialect: str, provider: str, status: int, code: str
) -> None:
    await add_unusable(stage, dialect)
    _, answer = await ask(stage, dialect, provider)
    assert (answer.status_code, answer.headers["x-ai-gateway-error"]) == (status, code)
    assert answer.headers["x-should-retry"] == "false"
    assert stage.peer.seen == []
    assert await stage.recorded() == 0
    assert await stage.store.counters() == {("J", (code,)): {"n": 1}}
    assert await shown(stage, "aigw_rejected_total") == {code: 1}


@pytest.mark.parametrize("provider", ["off", "broken"])
@pytest.mark.parametrize("dialect", PATHS)
async def test_row_83_sdks_ask_a_provider_that_cannot_be_used_exactly_once(
    stage: Stage, dialect: str, provider: str
) -> None:
    await add_unusable(stage, dialect)
    requests, answer = await ask(stage, dialect, provider)
    assert (requests, answer.status_code) == (1, 503)


PLAN = {
    "copilot-integration-id": "vscode-chat",
    "editor-version": "vscode/1.104.0",
    "editor-plugin-version": "copilot-chat/0.31",
    "x-initiator": "agent",
    "x-interaction-id": "interaction-1",
}
COPILOT = {
    "messages": "/copilot/v1/messages",
    "chat": "/copilot/chat/completions",
    "responses": "/copilot/responses",
}


@pytest.mark.parametrize("dialect", COPILOT)
async def test_row_88_copilot_is_used_with_the_callers_own_token_and_plan(
    stage: Stage, dialect: str
) -> None:
    await stage.add_provider("copilot", "copilot", "https://copilot.example", api_keys=[])
    stage.peer.scripts.append(ANSWERS[dialect])
    shown = beside(stage, authorization=f"Bearer {GITHUB}") | PLAN
    body = json.dumps(REQUESTS[dialect]).encode()
    answered = await stage.send(COPILOT[dialect], body, shown, user=None)
    assert answered.status == 200
    seen = stage.peer.seen[-1]
    assert seen.url == f"https://copilot.example{COPILOT[dialect].removeprefix('/copilot')}"
    assert seen.headers["authorization"] == f"Bearer {GITHUB}"
    assert {name: seen.headers[name] for name in PLAN} == PLAN
    record = stage.record(answered)
    assert (record["credential_kind"], record["provider"]) == ("byok", "copilot")
    assert record["credential_hint"] == "gho_...cdef"
    assert record["metadata"]["x_initiator"] == "agent"


@pytest.mark.parametrize("header", ["x-ai-gateway-token", "authorization", "x-api-key"])
@pytest.mark.parametrize("dialect", COPILOT)
async def test_row_88_copilot_without_a_token_is_refused_and_not_recorded(
    stage: Stage, dialect: str, header: str
) -> None:
    await stage.add_provider("copilot", "copilot", "https://copilot.example", api_keys=[])
    secret = stage.secrets["alice"]
    shown = {header: f"Bearer {secret}" if header == "authorization" else secret}
    status, code, document = await send(stage, COPILOT[dialect], REQUESTS[dialect], shown | PLAN)
    assert (status, code) == (401, "missing_provider_key")
    assert "X-AI-Gateway-Token" in document["error"]["message"]
    assert stage.peer.seen == []
    assert await stage.recorded() == 0


FORGED = {
    "x-ai-bridge-actor-id": "forged",
    "X-AI-Bridge-Actor-Metadata-Username": "forged",
    "x-ai-bridge-actor-metadata-anything": "forged",
    "x_ai_bridge_actor_id": "forged",
    "x-user-mail": "forged",
}


@pytest.mark.parametrize("dialect", PATHS)
async def test_row_90_the_accounts_values_replace_whatever_the_client_sends(dialect: str) -> None:
    async with staged(send_actor_headers=True, actor_header_email="X-User-Mail") as stage:
        await change(stage, email="alice@example.com")
        told = await stage.tell(dialect, REQUESTS[dialect], ANSWERS[dialect], FORGED)
        assert "forged" not in str(told.seen.headers)
        assert {n: v for n, v in told.seen.headers.items() if "actor" in n or "mail" in n} == {
            "x-ai-bridge-actor-id": "u-alice",
            "x-ai-bridge-actor-metadata-username": "alice",
            "x-user-mail": "alice@example.com",
        }


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
async def test_row_90_a_request_that_is_passed_through_tells_nothing(provider: str) -> None:
    async with staged(send_actor_headers=True, actor_header_email="X-User-Mail") as stage:
        stage.peer.scripts.append(blocking({"data": []}))
        answered = await stage.send(f"/{provider}/v1/models", b"", FORGED, method="GET")
        assert answered.status == 200
        sent = stage.peer.seen[-1].headers
        assert not [name for name in sent if "actor" in name or "mail" in name]


async def change(stage: Stage, **members: Any) -> None:  # noqa: ANN401 - fields of User
    """Change alice."""
    user = await stage.store.user("alice")
    assert user is not None
    await stage.store.change_user(user, replace(user, **members))


async def rule(stage: Stage, *rules: Rule) -> None:
    """Replace the access rules and let the gateway see them."""
    before = await stage.store.access_rules()
    await stage.store.put_access_rules(rules, before.version)
    await stage.reload.run(stage.store)


@pytest.mark.parametrize("dialect", PATHS)
async def test_rules_let_a_group_use_what_they_name_and_nothing_else(
    stage: Stage, dialect: str
) -> None:
    model, provider = REQUESTS[dialect]["model"], FAMILY[dialect]
    await change(stage, groups=("dev",))
    await rule(stage, Rule(None, "dev", (provider,), (model[:6] + "*",)))
    await stage.tell(dialect, REQUESTS[dialect], ANSWERS[dialect])
    shown = {"authorization": f"Bearer {stage.secrets['alice']}"}
    other = REQUESTS[dialect] | {"model": "another"}
    before = len(stage.peer.seen)
    status, code, document = await send(stage, PATHS[dialect], other, shown)
    assert (status, code, document["error"]["type"]) == (403, "not_allowed", "permission_error")
    assert (await send(stage, "/google/v1/x", other, shown))[:2] == (403, "not_allowed")
    assert len(stage.peer.seen) == before
    assert await stage.recorded() == 1
    counted = await stage.store.counters()
    assert counted["J", ("not_allowed",)] == {"n": 2}
    await stage.tell(dialect, other, ANSWERS[dialect], user="bob")


async def test_sdks_ask_once_for_what_is_not_allowed(stage: Stage) -> None:
    await rule(stage, Rule("alice", None, ("*",), ()))
    for dialect in PATHS:
        requests, answer = await ask(stage, dialect, FAMILY[dialect])
        assert (requests, answer.status_code) == (1, 403)


async def test_a_rule_counts_from_the_next_snapshot_on_and_so_does_its_end(stage: Stage) -> None:
    await stage.tell("chat", chat("go"), ANSWERS["chat"])
    await rule(stage, Rule("u-alice", None, (), ()))
    shown = {"authorization": f"Bearer {stage.secrets['alice']}"}
    assert (await send(stage, PATHS["chat"], chat("go"), shown))[0] == 403
    await rule(stage)
    await stage.tell("chat", chat("go"), ANSWERS["chat"])


async def test_what_is_passed_through_needs_the_provider_and_no_model(stage: Stage) -> None:
    await rule(stage, Rule("alice", None, ("openai",), ()))
    stage.peer.scripts.append(blocking({"data": []}))
    assert (await stage.send("/openai/v1/models", method="GET")).status == 200
    assert (await stage.send("/anthropic/v1/models", method="GET")).status == 403


async def test_a_providers_own_list_of_models_counts_for_everybody(stage: Stage) -> None:
    await stage.add_provider("small", "openai", "https://h.example/v1", models_allow=["*-mini"])
    stage.peer.scripts.append(ANSWERS["chat"])
    shown = {"authorization": f"Bearer {stage.secrets['alice']}"}
    path = "/small/v1/chat/completions"
    assert (await send(stage, path, chat("go"), shown))[0] == 200
    refused = await send(stage, path, chat("go") | {"model": "gpt-5"}, shown)
    assert refused[:2] == (403, "not_allowed")


@pytest.mark.parametrize(("own", "organization"), [(False, "org_ours"), (True, "org_callers")])
async def test_the_tenant_is_ours_with_our_key_and_the_callers_with_theirs(
    stage: Stage, *, own: bool, organization: str
) -> None:
    settings = {"_type": "openai", "_version": 1, "organization": "org_ours"}
    await stage.add_provider("team", "openai", "https://h.example/v1", settings=settings)
    stage.peer.scripts.append(ANSWERS["chat"])
    shown = beside(stage, **({"authorization": f"Bearer {OWN}"} if own else {}))
    shown["openai-organization"] = "org_callers"
    assert (await send(stage, "/team/v1/chat/completions", chat("go"), shown))[0] == 200
    assert stage.peer.seen[-1].headers["openai-organization"] == organization


async def test_a_workspace_comes_from_the_row_alone(stage: Stage) -> None:
    settings = {"_type": "anthropic", "_version": 1, "workspace": "wrkspc_ours"}
    await stage.add_provider("team", "anthropic", "https://h.example", settings=settings)
    for own in ({}, {"authorization": f"Bearer {OWN}"}):
        stage.peer.scripts.append(ANSWERS["messages"])
        shown = beside(stage, **own, anthropic_workspace_id="wrkspc_callers")
        assert (await send(stage, "/team/v1/messages", messages("go"), shown))[0] == 200
        found = stage.peer.seen[-1].headers.get("anthropic-workspace-id")
        assert found == (None if own else "wrkspc_ours")


async def test_a_further_path_is_passed_through_with_our_key(stage: Stage) -> None:
    await stage.add_provider(
        "more", "openai", "https://h.example/v1", extra_passthrough=["/v1/files/*"]
    )
    stage.peer.scripts.append(Script(b"content", content_type="text/plain"))
    answered = await stage.send("/more/v1/files/file-1/content", method="GET")
    assert (answered.status, answered.body) == (200, b"content")
    seen = stage.peer.seen[-1]
    assert seen.url == "https://h.example/v1/files/file-1/content"
    assert seen.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert await stage.recorded() == 0
    assert (await stage.send("/more/v1/files", method="GET")).status == 404


async def test_the_chatgpt_plan_gets_the_callers_sign_in_and_account(stage: Stage) -> None:
    await stage.add_provider("chatgpt", "openai", "", api_keys=[])
    stage.peer.scripts.append(ANSWERS["responses"])
    account = {"chatgpt-account-id": "account-1", "originator": "codex_exec"}
    shown = beside(stage, authorization=f"Bearer {OWN}") | account
    status, _, _ = await send(stage, "/chatgpt/v1/responses", responses("go"), shown)
    seen = stage.peer.seen[-1]
    assert (status, seen.url) == (200, "https://chatgpt.com/backend-api/codex/responses")
    assert seen.headers["authorization"] == f"Bearer {OWN}"
    assert {name: seen.headers[name] for name in account} == account
    without = {"x-ai-gateway-token": stage.secrets["alice"]}
    refused = await send(stage, "/chatgpt/v1/responses", responses("go"), without)
    assert refused[:2] == (401, "missing_provider_key")
