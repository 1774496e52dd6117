"""Access rules over the API: who may see and replace them, and what is told of a bad one."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aigateway.caller.access import Rule
from aigateway.ledger.store import AccessRules, AuditEntry
from aigateway.sessions.access import CHANGES_LIMIT, changes
from tests.unit.sessions.conftest import NOW, Answer, Api

PATH = "/api/v2/ai/access"
ALICES = {"user": "alice", "providers": ["anthropic"], "models": ["claude-*"]}
GUESTS = {"group": "guests", "providers": [], "models": []}


@pytest.fixture
def root(api: Api) -> Api:
    api.add_user("root", "admin")
    return api


def put(api: Api, body: object, user: str | None = "root") -> Answer:
    return api.get(PATH, user, method="PUT", body=body)


def audited(api: Api) -> tuple[AuditEntry, ...]:
    return asyncio.run(api.store.audited(NOW, NOW + timedelta(seconds=1)))


def test_rules_are_replaced_as_a_whole_and_read_back(root: Api) -> None:
    assert root.get(PATH, "root").document == {"version": 0, "rules": []}
    put_first = put(root, {"version": 0, "rules": [ALICES, GUESTS]})
    assert put_first.status == 200
    assert put_first.document == {"version": 1, "rules": [ALICES, GUESTS]}
    assert put(root, {"version": 1, "rules": [GUESTS]}).document["version"] == 2
    assert root.get(PATH, "root").document == {"version": 2, "rules": [GUESTS]}


@pytest.mark.parametrize(("user", "status"), [("alice", 403), ("auditor", 403), ("robot", 403),
                                              (None, 401)])  # fmt: skip
def test_rules_are_an_admins_business(root: Api, user: str | None, status: int) -> None:
    assert root.get(PATH, user).status == status
    assert put(root, {"version": 0, "rules": [ALICES]}, user).status == status
    assert root.get(PATH, "root").document["version"] == 0
    assert audited(root) == ()


def test_of_two_changes_from_one_version_the_second_is_told(root: Api) -> None:
    assert put(root, {"version": 0, "rules": [ALICES]}).status == 200
    late = put(root, {"version": 0, "rules": []})
    assert (late.status, late.headers["x-ai-gateway-error"]) == (409, "version_moved")
    assert "version 1" in late.document["message"]
    assert root.get(PATH, "root").document["rules"] == [ALICES]
    assert len(audited(root)) == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["version", "rules"]),
        ({"version": "0", "rules": []}, ["version"]),
        ({"version": True, "rules": []}, ["version"]),
        ({"version": -1, "rules": []}, ["version"]),
        ({"version": 0.0, "rules": []}, ["version"]),
        ({"version": 0, "rules": {}}, ["rules"]),
        ({"version": 0, "rules": [ALICES], "x": 1}, ["x"]),
        (
            {"version": 0, "rules": [{**ALICES, "models": [""]}, GUESTS, {**GUESTS, "user": "x"}]},
            ["rules[0].models", "rules[2].user"],
        ),
    ],
)
def test_every_fault_is_named_with_its_place(root: Api, body: Any, fields: list[str]) -> None:  # noqa: ANN401 - JSON of any shape
    answer = put(root, body)
    assert (answer.status, list(answer.faults)) == (400, fields)
    assert root.get(PATH, "root").document["version"] == 0
    assert audited(root) == ()


def test_a_parameter_means_nothing_here(root: Api) -> None:
    assert root.get(PATH, "root", x="1").status == 400


def test_a_change_says_who_let_what_come_and_go(root: Api) -> None:
    put(root, {"version": 0, "rules": [ALICES]})
    put(root, {"version": 1, "rules": [GUESTS]})
    first, second = sorted(audited(root), key=lambda entry: str(entry.changes["version"]))
    assert (first.actor_id, first.action, first.target) == ("u-root", "access.replaced", "access")
    assert first.changes == {"version": 1, "added": [ALICES], "removed": []}
    assert second.changes == {"version": 2, "added": [GUESTS], "removed": [ALICES]}


def test_of_very_many_changes_only_their_number_is_kept() -> None:
    many = tuple(Rule(f"user-{n}", None, ("x" * 200,), ()) for n in range(CHANGES_LIMIT // 200))
    found = changes(AccessRules(0, ()), AccessRules(1, many))
    assert found == {"version": 1, "added": len(many), "removed": 0}
