"""Access rules, alone and together."""

from dataclasses import replace
from typing import Any

import pytest

from aigateway.caller.access import GLOBS_LIMIT, RULES_LIMIT, Rule, models_at, rule_from, rules_from
from aigateway.caller.identity import Caller
from aigateway.errors import RowInvalid

ALICE = Caller("u-alice", "alice", "k", "member", ("dev", "ops"))
ANY = ("*",)


def rule(providers: list[str], models: list[str], **whom: str) -> Rule:
    return rule_from({"providers": providers, "models": models, **(whom or {"user": "alice"})})


def test_who_no_rule_is_about_may_use_everything() -> None:
    others = (rule([], [], user="bob"), rule([], [], group="guests"))
    assert models_at((), ALICE, "openai") == ANY
    assert models_at(others, ALICE, "openai") == ANY


@pytest.mark.parametrize(
    "whom", [{"user": "alice"}, {"user": "u-alice"}, {"group": "dev"}, {"group": "ops"}]
)
def test_a_rule_is_about_a_user_by_id_or_name_or_by_group(whom: dict[str, str]) -> None:
    rules = (rule(["anthropic"], ["claude-*"], **whom),)
    assert models_at(rules, ALICE, "anthropic") == ("claude-*",)
    assert models_at(rules, ALICE, "openai") is None


@pytest.mark.parametrize("whom", [{"user": "dev"}, {"group": "alice"}, {"user": "Alice"}])
def test_a_user_is_no_group_and_names_are_not_patterns(whom: dict[str, str]) -> None:
    assert models_at((rule([], [], **whom),), ALICE, "openai") == ANY
    assert models_at((rule([], [], user="*"),), ALICE, "openai") == ANY


def test_rules_add_up_for_each_provider_on_its_own() -> None:
    rules = (
        rule(["anthropic"], ["claude-haiku-*"]),
        rule(["anthropic", "open*"], ["gpt-5"], group="dev"),
    )
    assert models_at(rules, ALICE, "anthropic") == ("claude-haiku-*", "gpt-5")
    assert models_at(rules, ALICE, "openai") == ("gpt-5",)
    assert models_at(rules, ALICE, "google") is None
    assert models_at(rules, replace(ALICE, groups=()), "openai") is None


def test_empty_lists_allow_nothing() -> None:
    assert models_at((rule([], ["*"]),), ALICE, "openai") is None
    assert models_at((rule(["*"], []),), ALICE, "openai") == ()


@pytest.mark.parametrize("whom", [{"user": "alice"}, {"group": "dev"}])
def test_a_rule_is_written_as_it_was_read(whom: dict[str, str]) -> None:
    document = {**whom, "providers": ["a", "b*"], "models": []}
    assert rule_from(document).document() == document


GOOD: dict[str, Any] = {"user": "alice", "providers": ["*"], "models": ["*"]}


@pytest.mark.parametrize(
    ("document", "member"),
    [
        ({**GOOD, "group": "dev"}, "user"),
        ({"providers": [], "models": []}, "user"),
        ({**GOOD, "user": ""}, "user"),
        ({**GOOD, "user": None}, "user"),
        ({**GOOD, "user": "x" * 65}, "user"),
        ({"group": 5, "providers": [], "models": []}, "group"),
        ({"group": "a\nb", "providers": [], "models": []}, "group"),
        ({"user": "alice", "models": []}, "providers"),
        ({**GOOD, "providers": "*"}, "providers"),
        ({**GOOD, "providers": [""]}, "providers"),
        ({**GOOD, "providers": [5]}, "providers"),
        ({"user": "alice", "providers": []}, "models"),
        ({**GOOD, "models": ["*"] * (GLOBS_LIMIT + 1)}, "models"),
        ({**GOOD, "model": []}, "model"),
    ],
)
def test_a_rule_that_is_none_names_the_member_at_fault(
    document: dict[str, Any], member: str
) -> None:
    with pytest.raises(RowInvalid, match=f"^{member}: "):
        rule_from(document)


def test_all_rules_at_fault_are_named_by_their_places() -> None:
    rules, faults = rules_from([GOOD, {**GOOD, "models": 5}, "x", GOOD])
    assert len(rules) == 2
    assert [place for place, _ in faults] == ["rules[1].models", "rules[2]"]
    assert faults[1][1] == "Expected an object."


@pytest.mark.parametrize("bad", [None, {}, [GOOD] * (RULES_LIMIT + 1)])
def test_rules_are_a_list_that_is_not_too_long(bad: object) -> None:
    _, faults = rules_from(bad)
    assert [place for place, _ in faults] == ["rules"]
    assert rules_from([GOOD] * RULES_LIMIT)[1] == []
