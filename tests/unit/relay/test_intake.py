"""From a request to its record, or to the reason why there is none."""

import gzip
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from aigateway.caller.identity import Caller, Presented, presented
from aigateway.caller.keys import key_from, new_secret
from aigateway.caller.people import Key, User
from aigateway.caller.principals import Signer
from aigateway.errors import (
    Answerable,
    AuthUnavailable,
    BackgroundNotSupported,
    ByokDisabled,
    InvalidJson,
    InvalidKey,
    LedgerFault,
    MethodNotAllowed,
    MissingKey,
    MissingOwnKey,
    NotAllowed,
    ProviderBroken,
    ProviderConfigUnavailable,
    ProviderDisabled,
    RouteNotSupported,
    UnreadableBody,
)
from aigateway.interception import Credential
from aigateway.pool.base_url import BaseUrl
from aigateway.pool.providers import Provider, ProviderFault, ProviderType, SecretRef
from aigateway.pool.routes import Route
from aigateway.pool.snapshot import Pool, Snapshot
from aigateway.relay.asides import Asides
from aigateway.relay.callers import Callers
from aigateway.relay.intake import Admitted, Intake, Taken, firewall, retry_count
from aigateway.settings import Settings
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import Headers, RequestHead
from tests.builders import T0, a_user
from tests.clocks import HeldClock

SECRET = new_secret()
ROLE = "arn:aws:iam::123456789012:role/dev"
SIGNER = Signer(ROLE, "AROAEXAMPLE", "laptop")
FOREIGN = "sk-ant-invented-0123456789"
URL = BaseUrl("https", "h.example", 443, "")
Pairs = dict[str, str]


def provider(name: str, kind: ProviderType = "anthropic", *, enabled: bool = True) -> Provider:
    return Provider(name, kind, URL, (SecretRef(name, "k1", "sk-p...nted"),), enabled)


POOL = Snapshot(
    1,
    {
        "anthropic": provider("anthropic"),
        "openai": provider("openai", "openai"),
        "off": provider("off", enabled=False),
        "bare": Provider("bare", "anthropic", URL, (), enabled=True),
        "free": Provider("free", "openai-compat", URL, (), enabled=True),
        "copilot": Provider("copilot", "copilot", URL, (), enabled=True),
    },
    {"broken": ProviderFault("broken", "openai", "base_url: expected an absolute https URL")},
)


class Directory:
    """Knows one key."""

    def __init__(self, *, down: bool = False) -> None:
        user = a_user()
        key = key_from(SECRET, user.id, "laptop", T0, None)
        self.found = {key.id: (replace(key, last_used_at=T0), user)}
        self.down = down

    async def principal(self, arn: str) -> User | None:
        if self.down:
            raise LedgerFault("down")
        return replace(a_user(), iam_principals=(ROLE,)) if arn == ROLE else None

    async def key(self, key_id: str) -> tuple[Key, User] | None:
        if self.down:
            raise LedgerFault("down")
        return self.found.get(key_id)


def pool_of(snapshot: Snapshot | None) -> Pool:
    pool = Pool()
    if snapshot is not None:
        pool.replace(snapshot)
    return pool


def intake(
    settings: Settings | None = None, snapshot: Snapshot | None = POOL, *, down: bool = False
) -> Intake:
    pool = pool_of(snapshot)
    callers = Callers(Directory(down=down), HeldClock(), 60.0)  # type: ignore[arg-type]  # the verb that it needs
    return Intake(settings or Settings(), pool, callers)


def head(target: str = "/anthropic/v1/messages", method: str = "POST", **shown: str) -> RequestHead:
    pairs = {name.replace("_", "-"): text for name, text in shown.items()}
    return RequestHead(method, target.encode(), headers(pairs))


def headers(pairs: Pairs) -> Headers:
    return tuple((name.encode(), text.encode("latin-1")) for name, text in pairs.items())


async def admitted_by(made: Intake, request: RequestHead, signer: Signer | None = None) -> Admitted:
    return await made.admit(request, presented(request.headers, signer), Asides())


async def refusal(request: RequestHead, made: Intake | None = None) -> type[Answerable]:
    with pytest.raises(Answerable) as raised:
        await admitted_by(made or intake(), request)
    return raised.type


OURS = {"x_api_key": SECRET}


async def test_a_known_key_and_a_known_route_are_admitted() -> None:
    admitted = await admitted_by(intake(), head(**OURS))
    assert admitted.caller.username == "alice"
    assert admitted.route.template == "/v1/messages"
    assert admitted.credential == Credential("centralized", None)


@pytest.mark.parametrize(
    "target", ["/anthropic/v1/messages", "/off/v1/messages", "/broken/x", "/no/x", "/"]
)
async def test_a_stranger_cannot_tell_which_providers_exist(target: str) -> None:
    assert await refusal(head(target)) is MissingKey
    assert await refusal(head(target, x_api_key=new_secret())) is InvalidKey
    assert await refusal(head(target, x_api_key=FOREIGN)) is InvalidKey
    assert await refusal(head(target, **OURS), intake(down=True)) is AuthUnavailable
    assert await refusal(head(target), intake(snapshot=None)) is MissingKey


@pytest.mark.parametrize(
    ("target", "method", "kind"),
    [
        ("/no/v1/messages", "POST", RouteNotSupported),
        ("/anthropic/v1/complete", "POST", RouteNotSupported),
        ("/anthropic/v1/messages", "GET", MethodNotAllowed),
        ("/off/v1/messages", "POST", ProviderDisabled),
        ("/broken/v1/responses", "POST", ProviderBroken),
    ],
)
async def test_a_caller_is_told_what_is_wrong_with_the_route(
    target: str, method: str, kind: type[Answerable]
) -> None:
    assert await refusal(head(target, method, **OURS)) is kind


async def test_before_the_first_pool_nobody_is_served() -> None:
    assert await refusal(head(**OURS), intake(snapshot=None)) is ProviderConfigUnavailable


async def test_a_signature_is_enough_where_there_is_no_key() -> None:
    admitted = await admitted_by(intake(), head(), SIGNER)
    assert (admitted.caller.username, admitted.caller.key_id) == ("alice", "iam:AROAEXAMPLE")
    assert admitted.credential == Credential("centralized", None)
    keyed = await admitted_by(intake(), head(**OURS), SIGNER)
    assert keyed.caller.key_id == SECRET[5:21]


async def test_a_value_beside_a_signature_is_the_callers_own_key() -> None:
    admitted = await admitted_by(intake(), head(x_api_key=FOREIGN), SIGNER)
    assert admitted.caller.key_id == "iam:AROAEXAMPLE"
    assert admitted.credential == Credential("byok", "sk-a...6789")


async def test_a_stranger_who_signs_learns_no_more_than_any_other() -> None:
    stranger = Signer("arn:aws:iam::123456789012:role/other", "AROAOTHER", "laptop")
    for target in ("/anthropic/v1/messages", "/no/x"):
        with pytest.raises(InvalidKey):
            await admitted_by(intake(), head(target), stranger)
        with pytest.raises(AuthUnavailable):
            await admitted_by(intake(down=True), head(target), stranger)


async def test_an_own_key_is_used_where_that_is_allowed() -> None:
    request = head(**OURS, authorization=f"Bearer {FOREIGN}")
    admitted = await admitted_by(intake(), request)
    assert admitted.credential == Credential("byok", "sk-a...6789")
    assert await refusal(request, intake(Settings(allow_byok=False))) is ByokDisabled


async def test_an_unknown_provider_comes_before_a_forbidden_own_key() -> None:
    request = head("/no/x", **OURS, authorization=f"Bearer {FOREIGN}")
    assert await refusal(request, intake(Settings(allow_byok=False))) is RouteNotSupported


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/anthropic/v1/messages", b"x-api-key"),
        ("/anthropic/v1/models", b"x-api-key"),
        ("/openai/v1/responses", b"authorization"),
    ],
)
async def test_of_two_own_keys_the_dialects_own_header_counts(target: str, name: bytes) -> None:
    method = "GET" if target.endswith("models") else "POST"
    shown = {"x_api_key": FOREIGN, "authorization": f"Bearer {FOREIGN}"}
    request = head(target, method, x_ai_gateway_token=SECRET, **shown)
    admitted = await admitted_by(intake(), request)
    assert admitted.presented.own is not None
    assert admitted.presented.own[0] == name


async def test_a_key_in_x_api_key_becomes_a_bearer_token_where_the_provider_reads_no_other() -> (
    None
):
    shown = {"x_ai_gateway_token": SECRET, "x_api_key": FOREIGN}
    admitted = await admitted_by(intake(), head("/openai/v1/responses", **shown))
    assert admitted.presented.own == (b"authorization", f"Bearer {FOREIGN}".encode())
    admitted = await admitted_by(intake(), head("/anthropic/v1/messages", **shown))
    assert admitted.presented.own == (b"x-api-key", FOREIGN.encode())


@pytest.mark.parametrize("target", ["/bare/v1/messages", "/copilot/responses"])
async def test_a_provider_without_keys_needs_the_callers_own(target: str) -> None:
    assert await refusal(head(target, **OURS)) is MissingOwnKey
    own = head(target, x_ai_gateway_token=SECRET, authorization=f"Bearer {FOREIGN}")
    assert (await admitted_by(intake(), own)).credential.kind == "byok"


async def test_a_provider_that_may_need_no_key_is_used_without() -> None:
    admitted = await admitted_by(intake(), head("/free/v1/responses", **OURS))
    assert admitted.credential == Credential("centralized", None)


@pytest.mark.parametrize("target", ["/copilot/v1/messages", "/copilot/chat/completions"])
async def test_copilot_reads_its_token_in_authorization_alone(target: str) -> None:
    both = {"x_api_key": "other-0123456789", "authorization": f"Bearer {FOREIGN}"}
    admitted = await admitted_by(intake(), head(target, x_ai_gateway_token=SECRET, **both))
    assert admitted.presented.own == (b"authorization", f"Bearer {FOREIGN}".encode())
    elsewhere = head(target, x_ai_gateway_token=SECRET, x_api_key=FOREIGN)
    assert await refusal(elsewhere) is MissingOwnKey


def under(*rules: dict[str, object]) -> Intake:
    """Return an intake whose snapshot has these access rules."""
    return intake(snapshot=replace(POOL, access=rules))


ALICES: dict[str, object] = {
    "user": "alice",
    "providers": ["anthropic"],
    "models": ["claude-*"],
}


@pytest.mark.parametrize(
    "target",
    ["/openai/v1/responses", "/openai/v1/models", "/off/v1/messages", "/broken/x", "/no/x", "/"],
)
async def test_a_provider_that_no_rule_allows_is_as_good_as_any_that_there_is_not(
    target: str,
) -> None:
    assert await refusal(head(target, **OURS), under(ALICES)) is NotAllowed


async def test_a_forbidden_provider_comes_before_a_forbidden_own_key() -> None:
    made = Intake(
        Settings(allow_byok=False),
        pool_of(replace(POOL, access=(ALICES,))),
        Callers(Directory(), HeldClock(), 60.0),  # type: ignore[arg-type]  # the verb that it needs
    )
    own = head("/openai/v1/responses", **OURS, authorization=f"Bearer {FOREIGN}")
    assert await refusal(own, made) is NotAllowed
    assert await refusal(head(**OURS, authorization=f"Bearer {FOREIGN}"), made) is ByokDisabled


async def test_rules_about_others_limit_nobody_else() -> None:
    made = under({"user": "bob", "providers": [], "models": []})
    assert (await admitted_by(made, head(**OURS))).models == ("*",)
    assert (await admitted_by(under(ALICES), head(**OURS))).models == ("claude-*",)


def test_a_model_that_the_rules_do_not_allow_is_refused_without_a_record() -> None:
    limited = replace(MESSAGES, models=("claude-*",))
    assert taken(MESSAGE, limited).refusal is None
    for model in ("gpt-5", None):
        with pytest.raises(NotAllowed):
            taken(MESSAGE | {"model": model}, limited)


def test_a_providers_own_list_limits_everybody() -> None:
    route = MESSAGES.route
    narrow = replace(route.provider, models_allow=("claude-haiku-*",))
    limited = replace(MESSAGES, route=replace(route, provider=narrow))
    with pytest.raises(NotAllowed):
        taken(MESSAGE, limited)
    assert taken(MESSAGE | {"model": "claude-haiku-4-5"}, limited).refusal is None
    with pytest.raises(NotAllowed):
        taken(MESSAGE | {"model": "claude-haiku-4-5"}, replace(limited, models=("claude-s*",)))


def test_where_models_are_limited_a_body_that_cannot_be_read_goes_no_further() -> None:
    limited = replace(MESSAGES, models=("claude-*",))
    packed = gzip.compress(json.dumps(MESSAGE).encode())
    assert taken(packed, limited, {"content-encoding": "gzip"}).refusal is None
    with pytest.raises(UnreadableBody):
        taken(packed, limited, {"content-encoding": "unheard-of"})
    other = json.dumps(MESSAGE | {"model": "gpt-5"}).encode()
    with pytest.raises(NotAllowed):
        taken(gzip.compress(other), limited, {"content-encoding": "gzip"})
    assert isinstance(taken(b"{", limited).refusal, InvalidJson)


@pytest.mark.parametrize(
    ("name", "shown", "noted"),
    [("copilot", "agent", "agent"), ("copilot", "user", None), ("openai", "agent", None)],
)
def test_copilot_says_which_turns_an_agent_began(name: str, shown: str, noted: str | None) -> None:
    route = Route(POOL.providers[name], Dialect.RESPONSES, "/responses", b"/responses")
    found = taken(RESPONSE, replace(RESPONSES, route=route), {"x-initiator": shown})
    assert found.opened.metadata.get("x_initiator") == noted


MESSAGE = {
    "model": "claude-sonnet-4-5",
    "stream": True,
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "Fix the build."}],
}
RESPONSE = {"model": "gpt-5-mini", "input": "Fix the build."}


def admitted_to(template: str, dialect: Dialect) -> Admitted:
    name = "anthropic" if dialect is Dialect.MESSAGES else "openai"
    route = Route(POOL.providers[name], dialect, template, template.encode())
    caller = Caller("u-alice", "alice", "0123456789abcdef", "member")
    return Admitted(caller, route, Presented(SECRET, None))


MESSAGES = admitted_to("/v1/messages", Dialect.MESSAGES)
RESPONSES = admitted_to("/v1/responses", Dialect.RESPONSES)


def taken(
    body: bytes | object,
    admitted: Admitted = MESSAGES,
    shown: Pairs | None = None,
    settings: Settings | None = None,
) -> Taken:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = RequestHead("POST", b"/p", headers(shown or {}))
    return intake(settings).take(request, content, admitted, T0)


def test_a_record_says_who_asked_what() -> None:
    body = json.dumps(MESSAGE).encode()
    shown = {
        "user-agent": "claude-cli/2.1.330 (external, cli)",
        "x-claude-code-session-id": "session-1",
        "x-stainless-retry-count": "2",
        "x-coder-agent-firewall-session-id": "fw",
        "x-coder-agent-firewall-sequence-number": "7",
    }
    opened = taken(body, shown=shown).opened
    assert (opened.initiator_id, opened.initiator_username) == ("u-alice", "alice")
    assert opened.api_key_id == "0123456789abcdef"
    assert (opened.provider, opened.provider_name, opened.provider_type) == ("anthropic",) * 3
    assert (opened.model, opened.dialect, opened.route) == (
        "claude-sonnet-4-5",
        Dialect.MESSAGES,
        "/v1/messages",
    )
    assert (opened.method, opened.streaming) == ("POST", True)
    assert (opened.client.name, opened.session_id) == ("Claude Code", "session-1")
    assert (opened.retry_count, opened.agent_firewall_session_id) == (2, "fw")
    assert opened.agent_firewall_sequence_number == 7
    assert (opened.started_at, opened.expires_at) == (T0, T0 + timedelta(days=60))
    assert opened.request_bytes == len(body)
    assert opened.request_sha256 == hashlib.sha256(body).hexdigest()
    assert opened.prompt is not None
    assert opened.prompt.text == "Fix the build."
    assert opened.lineage.auxiliary, "Claude Code always offers tools in a turn of its own"


def test_i10_a_key_in_a_place_of_its_own_is_not_recorded() -> None:
    key = "sk-planted-0123456789"
    shown = {"user-agent": f"tool/1 (Bearer {key})", "x-session-id": f"session-{key}"}
    opened = taken(MESSAGE | {"model": f"m-{key}"}, shown=shown).opened
    assert opened.client.user_agent == "tool/1 (Bearer sk-p...)"
    assert (opened.model, opened.session_id) == ("m-sk-p...", "session-sk-p...")


@pytest.mark.parametrize("model", [None, 5, {"a": 1}, ""])
def test_a_model_that_is_missing_or_no_text_is_recorded_as_unknown(model: object) -> None:
    found = taken(MESSAGE | {"model": model})
    assert (found.opened.model, found.refusal) == ("unknown", None)


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"{} x"])
@pytest.mark.parametrize("admitted", [MESSAGES, RESPONSES])
def test_a_body_that_is_no_json_object_is_recorded_and_refused(
    body: bytes, admitted: Admitted
) -> None:
    found = taken(body, admitted)
    assert isinstance(found.refusal, InvalidJson)
    assert found.opened.model == "unknown"
    assert found.opened.request_bytes == len(body)
    assert found.opened.prompt is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": "none"},
        {"messages": [None, 5, []]},
        {"model": "m", "messages": [], "unheard_of": {"deep": [1]}},
        {"stream": "yes", "max_tokens": "many", "tools": {}},
    ],
)
def test_i13_what_is_not_understood_is_no_reason_to_refuse(body: object) -> None:
    for admitted in (MESSAGES, RESPONSES, admitted_to("/v1/chat/completions", Dialect.CHAT)):
        assert taken(body, admitted).refusal is None


def test_a_compressed_body_is_read_from_a_copy() -> None:
    body = gzip.compress(json.dumps(MESSAGE).encode(), mtime=0)
    opened = taken(body, shown={"content-encoding": "gzip"}).opened
    assert opened.model == "claude-sonnet-4-5"
    assert opened.request_bytes == len(body)
    assert opened.request_sha256 == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (b"x", "unheard-of", "content-encoding"),
        (gzip.compress(json.dumps(MESSAGE).encode())[:-9], "gzip", "content-encoding"),
        (b"no gzip at all", "gzip", "content-encoding"),
        (gzip.compress(bytes(80 * 1024 * 1024), 1), "gzip", "too_large"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "identity", "too_deep"),
    ],
)
def test_a_body_that_cannot_be_read_is_relayed_with_a_note(
    body: bytes, coding: str, reason: str
) -> None:
    found = taken(body, shown={"content-encoding": coding})
    assert found.refusal is None
    assert found.opened.metadata["prompt_unavailable"] == reason
    with pytest.raises(UnreadableBody):
        taken(body, RESPONSES, shown={"content-encoding": coding})
    allowed = Settings(allow_background=True)
    assert taken(body, RESPONSES, {"content-encoding": coding}, allowed).refusal is None


def test_codings_in_several_headers_are_undone_like_those_in_one() -> None:
    body = gzip.compress(gzip.compress(json.dumps(MESSAGE).encode()))
    pairs = ((b"content-encoding", b"gzip"),) * 2
    found = intake().take(RequestHead("POST", b"/p", pairs), body, MESSAGES, T0)
    assert found.opened.model == "claude-sonnet-4-5"


def test_background_is_refused_unless_it_is_allowed() -> None:
    body = RESPONSE | {"background": True}
    assert isinstance(taken(body, RESPONSES).refusal, BackgroundNotSupported)
    assert taken(body, RESPONSES, settings=Settings(allow_background=True)).refusal is None
    assert taken(RESPONSE | {"background": False}, RESPONSES).refusal is None
    assert taken(MESSAGE | {"background": True}).refusal is None


def test_a_compaction_is_no_persons_prompt() -> None:
    compact = admitted_to("/v1/responses/compact", Dialect.RESPONSES)
    assert taken(RESPONSE, compact).opened.prompt is None
    assert taken(RESPONSE, RESPONSES).opened.prompt is not None


def test_records_that_are_kept_for_ever_have_no_end() -> None:
    assert taken(MESSAGE, settings=Settings(retention=None)).opened.expires_at is None


@pytest.mark.parametrize(
    ("shown", "count"),
    [("0", 0), ("2", 2), (" 3 ", 3), ("", None), ("-1", None), ("1.5", None), ("²", None),
     ("9" * 5000, None), ("NOT_GIVEN", None)],
)  # fmt: skip
def test_the_sdks_count_of_retries(shown: str, count: int | None) -> None:
    assert retry_count(headers({"X-Stainless-Retry-Count": shown})) == count


@pytest.mark.parametrize(
    ("session", "number", "expected"),
    [
        ("s", "0", ("s", 0)),
        ("s", "123456789012345", ("s", 123456789012345)),
        ("s", "", (None, None)),
        ("", "1", (None, None)),
        ("s", "-1", (None, None)),
        ("s", "1e3", (None, None)),
        ("s", "²", (None, None)),
        ("s", "0" * 5000 + "1", (None, None)),
        ("s" * 257, "1", (None, None)),
        ("a\x00b", "1", (None, None)),
    ],
)
def test_the_firewalls_numbers_are_both_valid_or_neither(
    session: str, number: str, expected: object
) -> None:
    pairs = {
        "X-Coder-Agent-Firewall-Session-Id": session,
        "X-Coder-Agent-Firewall-Sequence-Number": number,
    }
    assert firewall(headers(pairs)) == expected
