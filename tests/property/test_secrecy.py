"""No refusal says anything of a key, a body or a query."""

import asyncio
import json
from typing import final

from hypothesis import given
from hypothesis import strategies as some

from aigateway.caller.identity import Caller, Presented, presented
from aigateway.caller.keys import new_secret
from aigateway.caller.people import Key, User
from aigateway.errors import Answerable
from aigateway.pool.base_url import BaseUrl
from aigateway.pool.providers import Provider, ProviderFault
from aigateway.pool.routes import Route, route_of
from aigateway.pool.snapshot import Pool, Snapshot
from aigateway.relay.asides import Asides
from aigateway.relay.callers import Callers
from aigateway.relay.intake import Admitted, Intake
from aigateway.relay.refusals import refused
from aigateway.settings import Settings
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import Headers, RequestHead
from tests.builders import T0
from tests.clocks import HeldClock

PLANTED = "planted-0a1b2c3d4e5f"
KEY = new_secret()
PROVIDER = Provider("p", "openai", BaseUrl("https", "h.example", 443, "/v1"), (), enabled=True)
POOL = Snapshot(
    1, {"p": PROVIDER}, {"broken": ProviderFault("broken", "openai", "type: unheard of")}
)
NAMES = some.sampled_from(
    [
        b"authorization",
        b"x-api-key",
        b"x-ai-gateway-token",
        b"x-coder-ai-governance-token",
        b"cookie",
        b"content-encoding",
        b"x-coder-agent-firewall-session-id",
    ]
)
FORMS = some.sampled_from(
    [PLANTED, f"Bearer {PLANTED}", f"Basic {PLANTED}", f"Bearer {PLANTED} x", KEY, f"Bearer {KEY}"]
)
HEADERS = some.lists(some.tuples(NAMES, FORMS.map(str.encode)), max_size=5).map(tuple)
PATHS = some.sampled_from(
    [b"/p/v1/responses", b"/p/v1/files", b"/broken/v1/responses", b"/none/v1/responses", b"/", b"*"]
)
METHODS = some.sampled_from(["POST", "GET", "DELETE", "BREW"])
BODIES = some.sampled_from(
    [
        PLANTED.encode(),
        json.dumps({"model": "m", "background": True, "input": PLANTED}).encode(),
        json.dumps([PLANTED]).encode(),
        f'{{"input": "{PLANTED}'.encode(),
        b"\x1f\x8b" + PLANTED.encode(),
    ]
)


@final
class NoKeys:
    """A directory that knows no key."""

    async def key(self, key_id: str) -> tuple[Key, User] | None:
        return None

    async def principal(self, arn: str) -> None:
        return None


def intake() -> Intake:
    pool = Pool()
    pool.replace(POOL)
    callers = Callers(NoKeys(), HeldClock(), 0)  # type: ignore[arg-type]  # the verb that it needs
    return Intake(Settings(allow_byok=False), pool, callers)


def assert_says_nothing(error: Answerable) -> None:
    for shape in ("anthropic", "openai"):
        answer = refused(error, shape, "r1")
        shown = answer.body + b"".join(name + content for name, content in answer.headers)
        assert PLANTED.encode() not in shown
        assert KEY.encode() not in shown


@given(HEADERS, PATHS, METHODS)
def test_i10_no_refusal_at_the_door_shows_a_key(headers: Headers, path: bytes, method: str) -> None:
    head = RequestHead(method, path + b"?key=" + PLANTED.encode(), headers)
    for step in (
        lambda: presented(head.headers),
        lambda: route_of(head, POOL),
        lambda: asyncio.run(intake().admit(head, presented(head.headers), Asides())),
    ):
        try:
            step()
        except Answerable as error:
            assert_says_nothing(error)


@given(HEADERS, BODIES)
def test_i10_no_refusal_of_a_body_shows_it(headers: Headers, body: bytes) -> None:
    route = Route(PROVIDER, Dialect.RESPONSES, "/v1/responses", b"/v1/responses")
    admitted = Admitted(Caller("u", "alice", "k", "member"), route, Presented(KEY, None))
    try:
        taken = intake().take(RequestHead("POST", b"/p", headers), body, admitted, T0)
    except Answerable as error:
        assert_says_nothing(error)
    else:
        if taken.refusal is not None:
            assert_says_nothing(taken.refusal)


@given(HEADERS)
def test_i10_what_is_recorded_of_an_own_key_is_its_mask(headers: Headers) -> None:
    try:
        shown = presented(headers)
    except Answerable:
        return
    assert PLANTED not in (shown.own_hint or "")
    assert shown.own is None or KEY.encode() not in shown.own[1]
