import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import cast, final
from urllib.parse import quote

import pytest

from aigateway.caller.keys import key_from, new_secret
from aigateway.caller.people import Key, User
from aigateway.errors import RecorderUnavailable
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.sessions.api import handler_for
from aigateway.steps import steps_of_closing
from aigateway.transcript.facts import AnsweredCall
from tests.builders import a_closed, a_tool, a_user, an_opened, at
from tests.unit.sessions.conftest import NOW, Api, StillClock

NAMES = ("models", "clients", "providers")
ENDPOINTS = ("sessions", "sessions/shared", "interceptions", "interceptions/0", *NAMES)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_call_without_a_key_is_401_in_the_api_shape(api: Api, path: str) -> None:
    answer = api.get(path, None)
    assert (answer.status, answer.headers["x-ai-gateway-error"]) == (401, "missing_gateway_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert set(answer.document) == {"message", "detail"}


@pytest.mark.parametrize(
    "secret", ["nonsense", "aigw_00112233445566ff_" + "s" * 43, "Basic abc", "sk-ant-api03-x"]
)
def test_a_strange_key_is_401(api: Api, secret: str) -> None:
    answer = api.get("sessions", None, headers={"Coder-Session-Token": secret})
    assert (answer.status, answer.headers["x-ai-gateway-error"]) == (401, "invalid_gateway_key")


def test_a_key_of_a_suspended_user_and_an_expired_one_are_401(api: Api) -> None:
    user, old, secret = a_user("carol"), new_secret(), new_secret()
    api.do(api.store.add_user(user))
    api.do(api.store.put_key(key_from(old, user.id, "old", at(0), NOW)))
    assert api.get("sessions", None, headers={"Coder-Session-Token": old}).status == 401
    api.do(api.store.put_key(key_from(secret, user.id, "new", at(0), None)))
    assert api.get("sessions", None, headers={"Coder-Session-Token": secret}).status == 200
    suspended = User(user.id, user.username, user.role, user.created_at, "suspended")
    api.do(api.store.change_user(user, suspended))
    assert api.get("sessions", None, headers={"Coder-Session-Token": secret}).status == 401


@pytest.mark.parametrize("form", ["authorization: Bearer {}", "AUTHORIZATION: bearer {}",
                                  "coder-session-token: {}", "X-Api-Key: {}"])  # fmt: skip
def test_a_key_is_taken_from_each_header_in_any_case(api: Api, form: str) -> None:
    name, value = form.format(api.secrets["alice"]).split(": ")
    assert api.get("sessions", None, headers={name: value}).status == 200


def test_the_role_metrics_reads_nothing(api: Api) -> None:
    assert [api.get(path, "robot").status for path in ENDPOINTS] == [403] * 7


def test_the_last_use_of_a_key_is_noted_every_five_minutes(api: Api) -> None:
    def last_use() -> object:
        return next(k.last_used_at for k in api.do(api.store.keys("u-alice")))

    api.get("sessions", "alice")
    assert last_use() == NOW
    key_id = api.secrets["alice"].split("_")[1]
    recent = NOW - timedelta(minutes=4)
    found = api.do(api.store.key(key_id))
    assert found is not None
    key = Key(key_id, "u-alice", "n", "p", found[0].sha256, at(0), None, None, recent)
    api.do(api.store.put_key(key))
    api.get("sessions", "alice")
    assert last_use() == recent


def test_both_prefixes_are_the_same_api_and_nothing_may_be_stored(two_people: Api) -> None:
    old, new = (two_people.get(f"/api/v2/{name}/sessions") for name in ("aibridge", "ai-gateway"))
    assert old.document == new.document
    assert old.headers["cache-control"] == new.headers["cache-control"] == "no-store"
    assert old.headers["content-type"] == "application/json"


def test_a_list_has_every_session_and_its_facts(two_people: Api) -> None:
    document = two_people.get("sessions").document
    assert set(document) == {"count", "sessions"}
    bobs, alices = document["sessions"]
    assert (bobs["initiator"]["username"], alices["initiator"]["username"]) == ("bob", "alice")
    assert set(alices) == {
        "id", "initiator", "providers", "provider_names", "models", "client", "metadata",
        "started_at", "ended_at", "threads", "token_usage_summary", "last_prompt",
        "last_active_at", "errors",
    }  # fmt: skip
    assert alices["started_at"] == "2026-11-24T12:00:00.000000Z"
    assert alices["ended_at"] == "2026-11-24T12:00:02.000000Z"


def test_i17_a_member_sees_only_its_own(two_people: Api) -> None:
    mine = two_people.get("sessions", "alice").document
    assert [row["initiator"]["username"] for row in mine["sessions"]] == ["alice"]
    own = two_people.get("interceptions", "alice").document["results"]
    assert [row["initiator"]["username"] for row in own] == ["alice"]
    bobs = two_people.get("interceptions", "bob").document["results"][0]["id"]
    strange = two_people.get(f"interceptions/{bobs}", "alice")
    unknown = two_people.get("interceptions/0193a5b2-7c00-7e00-8000-000000000001", "alice")
    assert (strange.status, strange.document) == (404, unknown.document)
    detail = two_people.get("sessions/shared", "alice")
    assert detail.document["initiator"]["username"] == "alice"


def test_filters_name_one_session(two_people: Api) -> None:
    def ids(**parameters: str | list[str]) -> list[str]:
        rows = two_people.get("sessions", **parameters).document["sessions"]  # type: ignore[arg-type]  # names of filters only
        return [row["initiator"]["username"] for row in rows]

    assert ids(client="codex") == ["bob"]
    assert ids(provider="openai") == ["bob"]
    assert ids(model="gpt-5") == ["bob"]
    assert ids(initiator="alice") == ["alice"]
    assert ids(initiator="u-alice") == ["alice"]
    assert ids(initiator=["alice", "alice"]) == ["alice"]
    assert ids(session_id="shared") == ["bob", "alice"]
    assert ids(started_after="2026-11-24T12:00:30Z") == ["bob"]
    assert ids(started_before="2026-11-24T12:00:30Z") == ["alice"]
    assert ids(client="codex", model="claude-sonnet-4-5") == []
    assert ids(provider_name="anthropic") == ["bob", "alice"]


def test_me_is_the_caller_and_others_are_unknown_to_a_member(two_people: Api) -> None:
    assert two_people.get("sessions", "alice", initiator="me").document["count"] == 1
    assert two_people.get("sessions", "alice", initiator="alice").document["count"] == 1
    for other in ("bob", "nobody"):
        answer = two_people.get("sessions", "alice", initiator=other)
        assert (answer.status, answer.faults) == (400, {"initiator": "No such user."})


def test_pages_follow_each_other_to_the_last(api: Api) -> None:
    for number in range(5):
        api.put(an_opened(number, session=f"s{number}"))
    first = api.get("sessions", limit="2").document
    second = api.get("sessions", limit="2", cursor=first["next_cursor"]).document
    third = api.get("sessions", limit="2", cursor=second["next_cursor"]).document
    pages = [[row["id"] for row in page["sessions"]] for page in (first, second, third)]
    assert pages == [["s4", "s3"], ["s2", "s1"], ["s0"]]
    assert "next_cursor" not in third
    assert first["count"] == 5


@pytest.mark.parametrize("path", ["sessions", "interceptions"])
def test_a_cursor_of_other_filters_another_caller_or_nobody_is_400(api: Api, path: str) -> None:
    for number in range(3):
        api.put(an_opened(number, session=f"s{number}"))
    cursor = api.get(path, "alice", limit="1").document["next_cursor"]
    for answer in (
        api.get(path, "alice", cursor=cursor, client="codex"),
        api.get(path, "auditor", cursor=cursor),
    ):
        assert (answer.status, set(answer.faults)) == (400, {"cursor"})
    assert set(api.get(path, cursor="x").faults) == {"cursor"}


def test_filters_may_be_written_as_a_search_text(two_people: Api) -> None:
    def names(path: str, user: str = "auditor", **parameters: str) -> list[str]:
        document = two_people.get(path, user, **parameters).document  # type: ignore[arg-type]  # names of filters only
        return [row["initiator"]["username"] for row in document.get("sessions", document)]

    assert names("sessions", q="client:codex provider:openai") == ["bob"]
    assert names("sessions", q='client:"claude code"', model="claude-sonnet-4-5") == ["alice"]
    assert names("sessions", q="client:codex", model="claude-sonnet-4-5") == []
    for key, value in {
        "initiator": "alice", "provider": "anthropic", "model": "claude-sonnet-4-5",
        "client": "Claude Code", "started_before": "2026-11-24T12:00:30Z",
    }.items():  # fmt: skip
        assert names("sessions", **{key: value}) == names("sessions", q=f'{key}:"{value}"')
        assert names("sessions", **{key: value}) == ["alice"]
    assert set(two_people.get("sessions", q="alice").faults) == {"q"}
    bare = two_people.get("interceptions", q="alice").document["results"]
    assert [row["initiator"]["username"] for row in bare] == ["alice"]
    assert set(two_people.get("sessions", "alice", q="initiator:bob").faults) == {"initiator"}


def test_pages_can_be_asked_for_by_number_and_by_the_last_id(api: Api) -> None:
    ids: list[str] = []
    for number in range(5):
        opened = an_opened(number, session=f"s{number}")
        api.put(opened)
        ids.insert(0, opened.id)
    page = api.get("sessions", limit="2", offset="1").document
    assert ([row["id"] for row in page["sessions"]], page["count"]) == (["s3", "s2"], 5)
    rest = api.get("sessions", cursor=page["next_cursor"]).document
    assert [row["id"] for row in rest["sessions"]] == ["s1", "s0"]
    after = api.get("sessions", "alice", limit="2", after_session_id="s2").document
    assert ([row["id"] for row in after["sessions"]], after["count"]) == (["s1", "s0"], 5)
    later = api.get("interceptions", "alice", limit="2", after_id=ids[1]).document
    assert [row["id"] for row in later["results"]] == ids[2:4]
    assert api.get("interceptions", offset="4").document["results"][0]["id"] == ids[4]


def test_an_id_that_is_unknown_or_somebody_elses_begins_no_page(two_people: Api) -> None:
    bobs = two_people.get("interceptions", "bob").document["results"][0]["id"]
    two_people.put(an_opened(90, session="bobs", initiator_id="u-bob", initiator_username="bob"))
    for user, path, name, after in (
        ("alice", "sessions", "after_session_id", "bobs"),
        ("alice", "sessions", "after_session_id", "nothing"),
        ("auditor", "sessions", "after_session_id", "shared"),
        ("alice", "interceptions", "after_id", bobs),
        ("auditor", "interceptions", "after_id", "nothing"),
    ):
        answer = two_people.get(path, user, **{name: after})  # type: ignore[arg-type]  # no method
        assert (answer.status, set(answer.faults)) == (400, {name})
    chosen = two_people.get("sessions", after_session_id="shared", initiator="bob")
    assert (chosen.status, chosen.document["sessions"]) == (200, [])


def test_names_are_sorted_and_each_callers_own(api: Api) -> None:
    for number, (who, model, client) in enumerate(
        [("alice", "m-2", "Codex"), ("alice", "m-1", "Codex"), ("bob", "m-10", "Claude Code")]
    ):
        opened = an_opened(number, initiator_id=f"u-{who}", model=model, client=client)
        api.do(api.store.open(opened))
        closed = a_closed(opened)
        api.do(api.store.close(opened, closed, steps_of_closing(opened, closed)))
    assert api.get("models").document == ["m-1", "m-10", "m-2"]
    assert api.get("models", "alice").document == ["m-1", "m-2"]
    assert api.get("clients").document == ["Claude Code", "Codex"]
    assert api.get("clients", "alice").document == ["Codex"]
    assert api.get("providers").document == ["anthropic"]
    assert api.get("models", q="m-1", limit="1").document == ["m-1"]
    assert api.get("models", q="model:m-1", offset="1").document == ["m-10"]
    assert api.get("clients", q="claude c").document == ["Claude Code"]
    assert api.get("providers", q="x").document == []


def test_the_description_of_the_api_needs_no_key(api: Api) -> None:
    old = api.get("openapi.json", None)
    new = api.get("/api/v2/ai-gateway/openapi.json", None)
    assert old.status == 200
    assert old.document == new.document
    assert old.document["openapi"].startswith("3.1")
    assert set(api.get("openapi.json", None, x="y").faults) == {"x"}


def test_what_runs_is_listed_on_request(api: Api) -> None:
    api.do(api.store.open(an_opened(0)))
    assert api.get("sessions").document["sessions"] == []
    (row,) = api.get("sessions", include="inflight").document["sessions"]
    assert row["inflight"] == 1
    assert "ended_at" not in row
    (one,) = api.get("interceptions", include="inflight").document["results"]
    assert (one["ended_at"], one["outcome"]) == (None, None)


@pytest.mark.parametrize(
    "session_id", ["a/b", "50%", "a%2Fb", "naïve ☕ 日本", 'a "quoted" \\ id', "a+b?c#d", "x" * 256]
)
def test_any_session_id_can_be_asked_for(api: Api, session_id: str) -> None:
    api.put(an_opened(0, session=session_id))
    answer = api.get(f"sessions/{quote(session_id, safe='')}")
    assert (answer.status, answer.document.get("id")) == (200, session_id)


def test_a_root_without_client_session_is_found_by_its_id(api: Api) -> None:
    opened = an_opened(0, session=None)
    api.put(opened)
    assert api.get(f"sessions/{opened.id}").document["threads"][0]["id"] == opened.id


def test_several_users_of_one_session_id_are_candidates(two_people: Api) -> None:
    answer = two_people.get("sessions/shared")
    assert answer.status == 409
    named = {v["detail"] for v in answer.document["validations"] if v["field"] == "initiator"}
    assert named == {"u-alice (alice)", "u-bob (bob)"}
    chosen = two_people.get("sessions/shared", initiator="bob")
    assert chosen.document["initiator"] == {"id": "u-bob", "username": "bob"}
    assert two_people.get("sessions/shared", initiator="auditor").status == 404


def test_an_unknown_session_is_404(api: Api) -> None:
    answer = api.get("sessions/nothing")
    assert (answer.status, answer.document["message"]) == (404, "Session not found.")


def test_an_expired_record_is_absent_everywhere(api: Api) -> None:
    opened = an_opened(0, session="old", expires_at=NOW)
    api.put(opened)
    assert api.get("sessions").document["count"] == 0
    assert api.get("interceptions").document["count"] == 0
    assert api.get("sessions/old").status == 404
    assert api.get(f"interceptions/{opened.id}").status == 404


def test_one_interception_tells_how_its_tool_calls_went(api: Api) -> None:
    opened = an_opened(0)
    api.put(opened, a_closed(opened, a_tool("toolu_1")))
    api.put(an_opened(5, answered_calls=(AnsweredCall("toolu_1", is_error=True, result_bytes=7),)))
    (call,) = api.get(f"interceptions/{opened.id}").document["tool_usages"]
    assert (call["result_is_error"], call["result_bytes"]) == (True, 7)


@pytest.mark.parametrize("path", ["/", "/api/v2/aibridge/nothing", "/api/v2/aibridge", "/api/v3"])
def test_an_unknown_route_is_404_in_the_api_shape(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.headers["x-ai-gateway-error"]) == (404, "route_not_supported")


@pytest.mark.parametrize("method", ["POST", "DELETE", "HEAD", "TRACE"])
@pytest.mark.parametrize("path", [*ENDPOINTS, "openapi.json"])
def test_another_method_is_405(api: Api, path: str, method: str) -> None:
    answer = api.get(path, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["x-ai-gateway-error"] == "method_not_allowed"


def test_parameters_are_refused_all_at_once(api: Api) -> None:
    answer = api.get("sessions", q="x:y", offset="-1", limit="1001", client=["a", "b"])
    assert answer.status == 400
    assert set(answer.faults) == {"q", "offset", "limit", "client"}
    assert set(api.get("interceptions/0", limit="1").faults) == {"limit"}


def test_a_bug_is_500_without_its_text(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    answer = api.handler({"path": None, "httpMethod": "GET"}, None)
    assert answer["statusCode"] == 500
    assert answer["body"] == '{"message":"Internal error.","detail":""}'
    assert answer["multiValueHeaders"]["x-ai-gateway-error"] == ["internal_error"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@final
class NoStore:
    """Answers nothing, or only about keys."""

    def __init__(self, inner: SqliteStore, *, keys: bool) -> None:
        self.start, self.stop, self.key_used = inner.start, inner.stop, inner.key_used
        self._inner, self._keys = inner, keys

    async def key(self, key_id: str) -> tuple[Key, User] | None:
        if self._keys:
            return await self._inner.key(key_id)
        raise RecorderUnavailable("secret reason")

    async def session(self, *_: object) -> tuple[()]:
        raise RecorderUnavailable("secret reason")


@pytest.fixture(params=[True, False])
def broken(request: pytest.FixtureRequest) -> Iterator[tuple[Api, bool]]:
    store = SqliteStore(None)
    handler = handler_for(cast(Store, NoStore(store, keys=request.param)), StillClock())
    handler.start()
    api = Api(store, handler)
    api.add_user("alice", "member")
    yield api, request.param
    handler.stop()


def test_a_store_that_is_down_is_503(broken: tuple[Api, bool]) -> None:
    api, has_keys = broken
    answer = api.get("sessions/x", "alice")
    assert answer.status == 503
    code = "recorder_unavailable" if has_keys else "auth_unavailable"
    assert answer.headers["x-ai-gateway-error"] == code
    assert answer.headers["retry-after"] == "1"
    assert "secret" not in str(answer.document)


def test_without_own_sessions_a_member_finds_nothing_and_an_auditor_all() -> None:
    store = SqliteStore(None)
    handler = handler_for(store, StillClock(), own_sessions_visible=False)
    handler.start()
    api = Api(store, handler)
    api.add_user("alice", "member")
    api.add_user("auditor", "auditor")
    api.put(an_opened(0, session="mine"))
    found = api.get("interceptions").document["results"][0]["id"]
    assert api.get("sessions", "alice").document == {"count": 0, "sessions": []}
    assert api.get("interceptions", "alice").document == {"count": 0, "results": []}
    assert [api.get(name, "alice").document for name in NAMES] == [[], [], []]
    assert api.get("sessions/mine", "alice").status == 404
    assert api.get(f"interceptions/{found}", "alice").status == 404
    handler.stop()
