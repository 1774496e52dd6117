"""Users and keys over the API: who may do what, what is taken, and what is kept of it."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from aigateway.caller.keys import digest, key_id_of
from aigateway.ledger.sqlite import SqliteStore
from aigateway.sessions.api import handler_for
from aigateway.sessions.people import PeopleEndpoints
from tests.unit.sessions.conftest import NOW, Answer, Api, StillClock

ROLE = "arn:aws:iam::123456789012:role/dev"
Call = Callable[..., Answer]


@pytest.fixture
def people() -> Iterator[Api]:
    """An API with the admin root, the members alice and bob, an auditor and a robot."""
    store = SqliteStore(None)
    routes = PeopleEndpoints(store, StillClock()).routes()
    handler = handler_for(store, StillClock(), configuring=routes, takes_signatures=True)
    handler.start()
    made = Api(store, handler)
    made.add_user("root", "admin")
    made.add_user("alice", "member")
    made.add_user("bob", "member")
    made.add_user("auditor", "auditor")
    made.add_user("robot", "metrics")
    yield made
    handler.stop()


@pytest.fixture
def call(people: Api) -> Call:
    def call(
        method: str,
        path: str,
        body: object = None,
        *,
        user: str | None = "root",
        headers: Mapping[str, str] | None = None,
        identity: Mapping[str, str] | None = None,
        query: Mapping[str, list[str]] | None = None,
    ) -> Answer:
        credential = {} if user is None else {"Coder-Session-Token": people.secrets[user]}
        event = {
            "path": f"/api/v2/ai/{path}",
            "httpMethod": method,
            "headers": {**credential, **(headers or {})},
            "multiValueQueryStringParameters": query,
            "body": None if body is None else json.dumps(body),
            "requestContext": {"identity": identity or {}},
        }
        answer = people.handler(event, None)
        named = {name.lower(): ", ".join(v) for name, v in answer["multiValueHeaders"].items()}
        document = json.loads(answer["body"]) if answer["body"] else None
        return Answer(answer["statusCode"], document, named)

    return call


def audited(api: Api) -> list[tuple[str, str, str, Any]]:
    entries = api.do(api.store.audited(NOW - timedelta(1), NOW + timedelta(1)))
    return [(each.actor_id, each.action, each.target, dict(each.changes)) for each in entries]


FULL = {
    "username": "carol",
    "name": "Carol C.",
    "email": "carol@example.com",
    "role": "auditor",
    "status": "suspended",
    "groups": ["dev", "Ops team"],
    "iam_principals": [f"{ROLE} session_name=username"],
}


def test_a_user_is_made_and_read_back_by_id_and_name(people: Api, call: Call) -> None:
    made = call("POST", "users", FULL)
    assert made.status == 201
    assert {**made.document, **FULL} == made.document
    assert set(made.document) == {*FULL, "id", "created_at"}
    for named in ("carol", made.document["id"]):
        assert call("GET", f"users/{named}").document == made.document
    assert made.document in call("GET", "users").document
    ((actor, action, target, changes),) = audited(people)
    assert (actor, action, target) == ("u-root", "user.added", "carol")
    assert changes["email"] == changes["name"] == "changed"
    assert changes["role"] == {"from": None, "to": "auditor"}


def test_a_user_needs_no_more_than_a_name(call: Call) -> None:
    made = call("POST", "users", {"username": "carol"}).document
    assert (made["role"], made["status"], made["groups"]) == ("member", "active", [])
    assert not {"name", "email"} & set(made)


BAD: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"username"}),
    ({"username": "me"}, {"username"}),
    ({"username": "Carol"}, {"username"}),
    ({"username": "a--b"}, {"username"}),
    ({"username": "a\n"}, {"username"}),
    ({"username": "x" * 65}, {"username"}),
    ({"username": 7}, {"username"}),
    ({"username": None}, {"username"}),
    ({"username": "c", "id": "1", "created_at": "x", "more": 1}, {"id", "created_at", "more"}),
    ({"username": "c", "name": "", "email": "x", "role": "king"}, {"name", "email", "role"}),
    ({"username": "c", "name": "a\nb", "email": "a@b\r\nx: y"}, {"name", "email"}),
    ({"username": "c", "name": " a", "email": "é@example.com"}, {"name", "email"}),
    ({"username": "c", "role": ["admin"], "status": "deleted"}, {"role", "status"}),
    ({"username": "c", "role": None, "status": None}, {"role", "status"}),
    ({"username": "c", "groups": "dev", "iam_principals": {}}, {"groups", "iam_principals"}),
    ({"username": "c", "groups": ["a", "a"], "iam_principals": ["x"]},
     {"groups", "iam_principals"}),
    ({"username": "c", "groups": ["a", " "], "iam_principals": [7]}, {"groups", "iam_principals"}),
    ({"username": "c", "groups": [str(n) for n in range(51)]}, {"groups"}),
    ({"username": "c", "iam_principals": [ROLE, f"{ROLE} session_name=username"]},
     {"iam_principals"}),
    ({"username": "c", "iam_principals": [f"{ROLE}{n}" for n in range(21)]}, {"iam_principals"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "fields"), BAD)
def test_every_member_at_fault_is_named_at_once(
    call: Call, people: Api, body: dict[str, Any], fields: set[str]
) -> None:
    answer = call("POST", "users", body)
    assert answer.status == 400
    assert set(answer.faults) == fields
    assert audited(people) == []


def test_a_fault_in_a_list_tells_its_place(call: Call) -> None:
    body = {"username": "c", "iam_principals": [ROLE, "arn:aws:iam::1:role/x"]}
    assert "at place 1" in call("POST", "users", body).faults["iam_principals"]


def test_a_name_is_taken_once_for_all_time(call: Call) -> None:
    for _ in range(2):
        answer = call("POST", "users", {"username": "alice"})
        assert (answer.status, answer.document["message"]) == (
            409,
            "The username alice is or was another user's.",
        )
        call("DELETE", "users/alice")


def test_an_aws_principal_is_one_users(call: Call) -> None:
    call("PATCH", "users/alice", {"iam_principals": [ROLE]})
    path = ROLE.replace("role/", "role/some/path/")
    for answer in (
        call("POST", "users", {"username": "carol", "iam_principals": [path]}),
        call("PATCH", "users/bob", {"iam_principals": [path]}),
    ):
        assert answer.status == 409
        assert answer.document["message"].endswith("is the user alice's.")
    assert call("GET", "users/carol").status == 404
    call("DELETE", "users/alice")
    assert call("PATCH", "users/bob", {"iam_principals": [path]}).status == 200


def test_a_change_sets_what_it_names_and_is_audited(people: Api, call: Call) -> None:
    call("POST", "users", FULL)
    changed = call("PATCH", "users/carol", {"role": "member", "email": None, "groups": []})
    assert changed.status == 200
    assert (changed.document["role"], changed.document["groups"]) == ("member", [])
    assert changed.document["name"] == "Carol C."
    assert "email" not in changed.document
    assert call("GET", "users/carol").document == changed.document
    assert [entry for entry in audited(people) if entry[1] != "user.added"] == [
        ("u-root", "user.changed", "carol",
         {"email": "changed", "role": {"from": "auditor", "to": "member"},
          "groups": {"from": ["dev", "Ops team"], "to": []}}),
    ]  # fmt: skip


def test_what_is_as_it_was_leaves_no_trace(people: Api, call: Call) -> None:
    assert call("PATCH", "users/alice", {"role": "member"}).status == 200
    assert audited(people) == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {""}),
        ({"username": "other"}, {"username"}),
        ({"id": "1", "role": "king", "x": 1}, {"id", "role", "x"}),
    ],
)
def test_a_change_of_nothing_or_of_what_never_changes_is_400(
    call: Call, body: object, fields: set[str]
) -> None:
    answer = call("PATCH", "users/alice", body)
    assert (answer.status, set(answer.faults)) == (400, fields)


def test_a_suspended_user_has_the_answer_of_a_revoked_key(call: Call) -> None:
    assert call("GET", "users/me", user="alice").status == 200
    call("PATCH", "users/alice", {"status": "suspended"})
    refused = call("GET", "users/me", user="alice")
    assert (refused.status, refused.headers["x-ai-gateway-error"]) == (401, "invalid_gateway_key")
    call("PATCH", "users/alice", {"status": "active"})
    assert call("GET", "users/me", user="alice").status == 200


def test_a_deleted_user_is_gone_with_all_its_keys(people: Api, call: Call) -> None:
    made = call("POST", "users/alice/keys", {"name": "laptop"}).document
    first = key_id_of(people.secrets["alice"])
    assert call("DELETE", "users/alice").status == 204
    assert call("GET", "users/alice").status == call("DELETE", "users/alice").status == 404
    assert call("GET", "users/me", user="alice").status == 401
    assert {key.id for key in people.do(people.store.keys("u-alice")) if key.revoked_at} == {
        made["id"],
        first,
    }
    ((_, _, target, changes),) = [each for each in audited(people) if each[1] == "user.deleted"]
    assert (target, set(changes["revoked_keys"])) == ("alice", {made["id"], first})


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PATCH", {"role": "member"}),
        ("PATCH", {"status": "suspended"}),
        ("PATCH", {"role": "auditor", "name": "Root"}),
        ("DELETE", None),
    ],
)
def test_the_last_active_admin_cannot_be_put_out(call: Call, method: str, body: object) -> None:
    call("PATCH", "users/bob", {"role": "admin", "status": "suspended"})
    answer = call(method, "users/me", body)
    assert (answer.status, answer.document["message"]) == (
        409,
        "root is the last active admin: make another one first.",
    )
    call("PATCH", "users/bob", {"status": "active"})
    assert call(method, "users/root", body).status in (200, 204)


def test_what_is_no_user_is_404(call: Call) -> None:
    for method, path, body in (
        ("GET", "users/nobody", None),
        ("PATCH", "users/nobody", {"role": "admin"}),
        ("DELETE", "users/nobody", None),
        ("GET", "users/nobody/keys", None),
        ("POST", "users/nobody/keys", {"name": "n"}),
        ("DELETE", "users/nobody/keys/0123456789abcdef", None),
        ("DELETE", "users/alice/keys/0123456789abcdef", None),
    ):
        assert call(method, path, body).status == 404, (method, path)


OTHERS: list[tuple[str, str, object]] = [
    ("GET", "users", None),
    ("POST", "users", {"username": "carol"}),
    ("GET", "users/bob", None),
    ("GET", "users/u-bob", None),
    ("GET", "users/nobody", None),
    ("PATCH", "users/bob", {"name": "B"}),
    ("DELETE", "users/bob", None),
    ("GET", "users/bob/keys", None),
    ("POST", "users/bob/keys", {"name": "n"}),
    ("DELETE", "users/bob/keys/0123456789abcdef", None),
    ("PATCH", "users/me", {"role": "admin"}),
    ("PATCH", "users/me", {"name": "A", "groups": ["ops"]}),
    ("PATCH", "users/me", {"email": "root@example.com"}),
    ("PATCH", "users/me", {"iam_principals": [ROLE]}),
    ("PATCH", "users/me", {"status": "active"}),
]


@pytest.mark.parametrize(("method", "path", "body"), OTHERS)
@pytest.mark.parametrize("user", ["alice", "auditor"])
def test_only_an_admin_changes_others_or_rights(
    people: Api, call: Call, method: str, path: str, body: object, user: str
) -> None:
    answer = call(method, path, body, user=user)
    assert (answer.status, answer.headers["x-ai-gateway-error"]) == (403, "not_allowed")
    assert audited(people) == []


@pytest.mark.parametrize("named", ["me", "alice", "u-alice"])
def test_a_member_manages_their_own(people: Api, call: Call, named: str) -> None:
    assert call("GET", f"users/{named}", user="alice").document["username"] == "alice"
    changed = call("PATCH", f"users/{named}", {"name": "Alice A."}, user="alice")
    assert changed.document["name"] == "Alice A."
    made = call("POST", f"users/{named}/keys", {"name": "laptop"}, user="alice")
    assert made.status == 201
    listed = call("GET", f"users/{named}/keys", user="alice").document
    assert made.document["id"] in [key["id"] for key in listed]
    path = f"users/{named}/keys/{made.document['id']}"
    assert call("DELETE", path, user="alice").status == 204
    assert call("DELETE", f"users/{named}", user="alice").status == 204
    assert {actor for actor, *_ in audited(people)} == {"u-alice"}


def test_a_key_for_metrics_may_not_even_read_itself(call: Call) -> None:
    assert call("GET", "users/me", user="robot").status == 403


def test_without_a_key_nothing_is_told(call: Call) -> None:
    for path in ("users", "users/me", "users/alice/keys"):
        assert call("GET", path, user=None).status == 401


def test_a_secret_is_shown_once_and_only_its_digest_kept(people: Api, call: Call) -> None:
    made = call("POST", "users/alice/keys", {"name": "laptop"})
    secret = made.document["secret"]
    assert made.headers["cache-control"] == "no-store"
    found = people.do(people.store.key(made.document["id"]))
    assert found is not None
    assert found[0].sha256 == digest(secret)
    (listed,) = [
        key for key in call("GET", "users/alice/keys").document if key["id"] == made.document["id"]
    ]
    assert listed == {name: value for name, value in made.document.items() if name != "secret"}
    assert set(listed) == {"id", "name", "prefix", "created_at", "expires_at"}
    assert secret not in json.dumps(audited(people))
    assert call("GET", "users/me", user=None, headers={"X-Api-Key": secret}).status == 200


@pytest.mark.parametrize(("given", "days"), [({}, 90), ({"lifetime_days": 1}, 1),
                                             ({"lifetime_days": 365}, 365)])  # fmt: skip
def test_a_key_lives_ninety_days_or_as_long_as_is_said(
    people: Api, call: Call, given: dict[str, int], days: int
) -> None:
    made = call("POST", "users/alice/keys", {"name": "n"} | given).document
    found = people.do(people.store.key(made["id"]))
    assert found is not None
    assert found[0].expires_at == NOW + timedelta(days=days)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": ""}, {"name"}),
        ({"name": "x" * 65, "lifetime_days": 366}, {"name", "lifetime_days"}),
        ({"name": None, "lifetime_days": 0}, {"name", "lifetime_days"}),
        ({"name": "n", "lifetime_days": True}, {"lifetime_days"}),
        ({"name": "n", "lifetime_days": 1.5}, {"lifetime_days"}),
        ({"name": "n", "lifetime_days": "90"}, {"lifetime_days"}),
        ({"name": "n", "secret": "aigw_x", "sha256": "x"}, {"secret", "sha256"}),
    ],
)
def test_a_key_that_cannot_be_made_says_why(call: Call, body: object, fields: set[str]) -> None:
    answer = call("POST", "users/alice/keys", body)
    assert (answer.status, set(answer.faults)) == (400, fields)


def test_a_revoked_key_stays_listed_and_opens_nothing(people: Api, call: Call) -> None:
    made = call("POST", "users/alice/keys", {"name": "laptop"}).document
    path = f"users/alice/keys/{made['id']}"
    assert [call("DELETE", path).status for _ in range(2)] == [204, 204]
    answer = call("GET", "users/me", user=None, headers={"X-Api-Key": made["secret"]})
    assert answer.status == 401
    (listed,) = [k for k in call("GET", "users/alice/keys").document if k["id"] == made["id"]]
    assert "revoked_at" in listed
    revoked = [entry for entry in audited(people) if entry[1] == "key.revoked"]
    assert revoked == [
        ("u-root", "key.revoked", "alice", {"key": {"id": made["id"], "name": "laptop"}})
    ]


def test_a_key_is_not_found_under_another_user(people: Api, call: Call) -> None:
    bobs = key_id_of(people.secrets["bob"])
    assert call("DELETE", f"users/alice/keys/{bobs}").status == 404
    assert call("GET", "users/me", user="bob").status == 200


def test_a_parameter_that_means_nothing_is_400(call: Call) -> None:
    for method, path, body in (("GET", "users", None), ("PATCH", "users/alice", {"name": "A"})):
        answer = call(method, path, body, query={"limit": ["1"]})
        assert (answer.status, set(answer.faults)) == (400, {"limit"})


IDENTITY = {
    "userArn": "arn:aws:sts::123456789012:assumed-role/dev/carol",
    "caller": "AROAEXAMPLE:carol",
}


def test_who_signed_is_who_calls_unless_there_is_a_key(call: Call) -> None:
    assert call("GET", "users/me", user=None, identity=IDENTITY).status == 401
    call("PATCH", "users/alice", {"iam_principals": [ROLE]})
    signed = call("GET", "users/me", user=None, identity=IDENTITY)
    assert (signed.status, signed.document["username"]) == (200, "alice")
    keyed = call("GET", "users/me", user="bob", identity=IDENTITY)
    assert keyed.document["username"] == "bob"
    call("PATCH", "users/alice", {"status": "suspended"})
    assert call("GET", "users/me", user=None, identity=IDENTITY).status == 401


def test_a_signature_counts_only_where_it_is_to_count(people: Api, call: Call) -> None:
    call("PATCH", "users/alice", {"iam_principals": [ROLE]})
    routes = PeopleEndpoints(people.store, StillClock()).routes()
    without = handler_for(people.store, StillClock(), configuring=routes)
    event = {
        "path": "/api/v2/ai/users/me",
        "httpMethod": "GET",
        "headers": {},
        "requestContext": {"identity": IDENTITY},
    }
    answer = without(event, None)
    without.close()
    assert answer["statusCode"] == 401
