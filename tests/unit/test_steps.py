"""What a closing counts is what its rows say."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.interception import TOKEN_NAMES, Credential
from aigateway.steps import (
    COUNTED_EXTRAS,
    DURATION_SECONDS,
    FIRST_BYTE_SECONDS,
    KEY_ATTEMPTS,
    TOKEN_TYPES,
    Step,
    bucket,
    cut_name,
    passed_through,
    rejected,
    steps_of_closing,
)
from aigateway.transcript.facts import Thought, TokenUsage, ToolUsage
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at, charged

COUNTS = some.tuples(*[some.integers(0, 10**12)] * 4)
EXTRAS = some.dictionaries(
    some.sampled_from([*sorted(COUNTED_EXTRAS), "an_unknown_extra", "service_tier"]),
    some.one_of(some.integers(0, 10**9), some.just("word")),
)
FACTS = some.lists(
    some.one_of(
        some.builds(a_usage, COUNTS, EXTRAS),
        some.builds(a_tool, some.just("id"), some.text(max_size=80)),
        some.just(a_thought()),
    ),
    max_size=8,
)
Fact = TokenUsage | ToolUsage | Thought


def amounts(steps: tuple[Step, ...]) -> dict[str, int]:
    found = {step.attribute: step.amount for step in steps}
    assert len(found) == len(steps), "one step for each attribute"
    return found


@given(FACTS)
def test_steps_equal_rows(facts: list[Fact]) -> None:
    counted = amounts(steps_of_closing(opened := an_opened(), a_closed(opened, *facts)))
    usages = [fact for fact in facts if isinstance(fact, TokenUsage)]
    sums = [sum(u.input for u in usages), sum(u.output for u in usages)]
    sums += [sum(u.cache_read for u in usages), sum(u.cache_write for u in usages)]
    for name, total in zip(TOKEN_NAMES, sums, strict=True):
        assert counted.get(f"t:{TOKEN_TYPES[name]}", 0) == total
    for name in COUNTED_EXTRAS:
        values = [value for u in usages if isinstance(value := u.extra.get(name), int)]
        assert counted.get(f"t:{name}", 0) == sum(values)
    calls = sum(isinstance(fact, ToolUsage) for fact in facts)
    assert sum(amount for name, amount in counted.items() if name.startswith("n:")) == calls


def test_costs_and_tokens_without_a_price_are_counted() -> None:
    """Also where the key was the caller's own."""
    opened = an_opened(provider_type="bedrock", credential=Credential("byok", "ab...yz"))
    closed = charged(a_closed(opened, a_usage(), a_usage(), a_usage(), a_tool()), 70, 5)
    counted = amounts(steps_of_closing(opened, closed))
    assert (counted["uc"], counted["up:bedrock"]) == (75, 1)
    free = amounts(steps_of_closing(opened, charged(a_closed(opened, a_usage()), 0)))
    assert not {"uc", "up:bedrock"} & free.keys()


@given(FACTS)
def test_steps_are_positive_integers_on_one_counter(facts: list[Fact]) -> None:
    steps = steps_of_closing(opened := an_opened(), a_closed(opened, *facts))
    assert len({(step.kind, step.key) for step in steps}) == 1
    assert all(type(step.amount) is int and step.amount > 0 for step in steps)


@given(FACTS)
def test_i18_no_answer_can_create_a_label_outside_the_closed_lists(facts: list[Fact]) -> None:
    plain = {"c", "f", "p", "ds", "bs", "ks"} | {f"{kind}{n}" for kind in "dbk" for n in range(8)}
    tokens = {f"t:{name}" for name in (*TOKEN_TYPES.values(), *COUNTED_EXTRAS)}
    reasons = {f"um:{reason}" for reason in ("unread", "invalid", "absent", "cut")}
    for name in amounts(steps_of_closing(opened := an_opened(), a_closed(opened, *facts))):
        is_tool = re.fullmatch(r"n:[A-Za-z0-9_.:/-]{1,64}", name) is not None
        assert is_tool or name in plain | tokens | reasons | {"uc", "up:anthropic"}


def test_the_key_of_a_counter_is_what_the_record_says() -> None:
    opened = an_opened(model="")
    (step, *_) = steps_of_closing(opened, a_closed(opened))
    assert step.kind == "R"
    assert step.key == ("anthropic", "unknown", "/v1/messages", "POST", "Claude Code", "u-alice")


@pytest.mark.parametrize(("outcome", "attribute"), [("completed", "c"), ("abandoned", "f")])
def test_every_ending_is_counted_once(outcome: str, attribute: str) -> None:
    opened = an_opened()
    counted = amounts(steps_of_closing(opened, a_closed(opened, outcome=outcome)))
    assert counted[attribute] == 1
    assert ("c" in counted) + ("f" in counted) == 1


def test_times_are_counted_in_milliseconds_and_one_bucket_each() -> None:
    opened = an_opened()
    closed = a_closed(opened, seconds=2, first_byte_at=at(0.25), key_attempts=1)
    counted = amounts(steps_of_closing(opened, closed))
    assert (counted["ds"], counted["d1"]) == (2000, 1)
    assert (counted["bs"], counted["b1"]) == (250, 1)
    assert (counted["ks"], counted["k0"]) == (1, 1)
    assert Counter(name[0] for name in counted if name[1:].isdigit()) == Counter("dbk")


def test_a_clock_that_went_back_counts_as_no_time_at_all() -> None:
    opened = an_opened()
    closed = a_closed(opened, seconds=-5, first_byte_at=at(-3))
    counted = amounts(steps_of_closing(opened, closed))
    assert "ds" not in counted
    assert "bs" not in counted
    assert (counted["d0"], counted["b0"]) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"deaf": "not_json"}, "unread"),
        ({"notes": {"usage_refused": 1}}, "invalid"),
        ({"outcome": "completed"}, "absent"),
        ({"outcome": "failed"}, "absent"),
        ({"outcome": "upstream_cut"}, "cut"),
    ],
)
def test_missing_usage_is_counted_with_its_reason(changes: dict[str, object], reason: str) -> None:
    opened = an_opened()
    closed = a_closed(opened, usage_missing=True, **changes)  # type: ignore[arg-type]  # one row of a table
    assert amounts(steps_of_closing(opened, closed))[f"um:{reason}"] == 1


@pytest.mark.parametrize("bounds", [DURATION_SECONDS, FIRST_BYTE_SECONDS, KEY_ATTEMPTS])
def test_a_bucket_holds_its_upper_bound(bounds: tuple[float, ...]) -> None:
    assert len(bounds) == 7
    for index, bound in enumerate(bounds):
        assert bucket(bounds, bound) == index
        assert bucket(bounds, bound + 0.001) == index + 1


@given(some.text())
def test_a_long_name_is_cut_between_characters(name: str) -> None:
    cut = cut_name(name)
    assert len(cut.encode()) <= 128
    assert name.startswith(cut)
    assert cut == name or len(cut.encode()) > 124


def test_refusals_and_passed_requests_are_counted_by_closed_words() -> None:
    assert rejected("invalid_json") == (Step("J", ("invalid_json",), "n", 1),)
    key = ("openai", "/v1/models/*", "GET")
    steps = passed_through(*key, seconds=1.5, key_attempts=0)
    assert steps == (Step("P", key, "n", 1), Step("P", key, "d1", 1), Step("P", key, "ds", 1500))
    tried = passed_through(*key, seconds=1.5, key_attempts=3)
    assert tried == (*steps, Step("P", key, "k2", 1), Step("P", key, "ks", 3))
