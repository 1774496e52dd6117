"""What a push consists of: which series begin with a 0 and when, which end."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.reload.publishing.memory import Known, Pending, State, Zeros
from aigateway.reload.publishing.plan import LATE_MS, NEW_A_PUSH, Plan, plan_of
from aigateway.telemetry.catalogue import PROVIDER_INFO, REJECTED, TOKENS
from aigateway.telemetry.remote_write import Sample
from aigateway.telemetry.series import Labels, Series, hash_of

MINUTE_MS = 60_000
NOW_MS = 100 * MINUTE_MS
LAST_MS = NOW_MS - MINUTE_MS
NOTHING = State("t")


def count(reason: str, value: float = 1.0) -> Series:
    return Series(REJECTED, (("reason", reason),), value)


def tokens(value: float = 1.0) -> Series:
    return Series(TOKENS, (("type", "input"),), value)


def info(status: str) -> Series:
    return Series(PROVIDER_INFO, (("status", status),), 1.0)


def known(*series: Series) -> Known:
    lasting = frozenset(hash_of(e.identity) for e in series if e.family.kind != "gauge")
    return Known(lasting, frozenset(e.identity for e in series if e.family.kind == "gauge"))


def planned(
    *series: Series,
    state: State = NOTHING,
    before: Known | None = None,
    now_ms: int = NOW_MS,
    has_twins: bool = False,
) -> Plan:
    plan = plan_of(series, state, before or Known(), now_ms, has_twins=has_twins)
    assert plan is not None
    return plan


def zeros(plan: Plan) -> list[tuple[int, set[str]]]:
    """Return the time and the reasons of each beginning."""
    return [
        (each.samples[0].at_ms, {dict(s.labels).get("reason", "") for s in each.samples})
        for each in plan.beginnings
    ]


def ended(plan: Plan) -> list[Labels]:
    return [sample.labels for sample in plan.samples if sample.value is None]


LATER = State("t", LAST_MS)


def test_on_the_first_push_of_all_nothing_begins_with_a_0() -> None:
    plan = planned(count("a"), count("b"))
    assert plan.beginnings == ()
    assert [sample.at_ms for sample in plan.samples] == [NOW_MS, NOW_MS]
    assert plan.done == State("t", NOW_MS)
    assert plan.known == known(count("a"), count("b"))


def test_a_new_series_begins_with_a_0_at_the_time_of_the_push_before() -> None:
    plan = planned(count("a"), count("b", 7.0), state=LATER, before=known(count("a")))
    assert zeros(plan) == [(LAST_MS, {"b"})]
    assert plan.beginnings[0].samples[0].value == 0.0
    assert not plan.beginnings[0].may_be_in
    assert Sample(count("b").identity, 7.0, NOW_MS) in plan.samples


def test_after_a_long_silence_it_begins_a_minute_ago() -> None:
    state = State("t", NOW_MS - LATE_MS - 1)
    assert zeros(planned(count("a"), state=state)) == [(NOW_MS - MINUTE_MS, {"a"})]
    state = State("t", NOW_MS - LATE_MS)
    assert zeros(planned(count("a"), state=state)) == [(NOW_MS - LATE_MS, {"a"})]


def test_gauges_begin_with_what_they_are() -> None:
    assert planned(info("enabled"), state=LATER).beginnings == ()


@pytest.mark.parametrize("back_ms", [0, 1, MINUTE_MS])
def test_when_the_clock_went_back_nothing_is_pushed(back_ms: int) -> None:
    state = State("t", NOW_MS + back_ms)
    assert plan_of([count("a")], state, Known(), NOW_MS, has_twins=False) is None
    tried = Pending(LAST_MS, NOW_MS + back_ms, (), frozenset())
    state = State("t", LAST_MS, tried)
    assert plan_of([count("a")], state, Known(), NOW_MS, has_twins=False) is None


def test_an_attempt_is_noted_and_tried_again_as_it_was() -> None:
    first = planned(count("a"), info("enabled"), state=LATER)
    assert first.noted.pending == Pending(
        NOW_MS,
        NOW_MS,
        (Zeros(LAST_MS, frozenset({hash_of(count("a").identity)})),),
        frozenset({info("enabled").identity}),
    )
    assert first.noted.tick_ms == LAST_MS
    second = planned(
        count("a"), count("b"), info("error"), state=first.noted, now_ms=NOW_MS + MINUTE_MS
    )
    assert zeros(second) == [(LAST_MS, {"a"}), (LAST_MS, {"b"})]
    assert [each.may_be_in for each in second.beginnings] == [True, False]
    assert ended(second) == [info("enabled").identity]
    third = planned(
        count("a"), count("b"), count("c"), state=second.noted, now_ms=NOW_MS + 2 * MINUTE_MS
    )
    assert zeros(third) == [(LAST_MS, {"a"}), (LAST_MS, {"b"}), (LAST_MS, {"c"})]
    assert third.noted.pending is not None
    assert third.noted.pending.since_ms == NOW_MS
    assert set(ended(third)) == {info("enabled").identity, info("error").identity}


def test_what_arrived_before_the_state_was_noted_is_not_begun_again() -> None:
    first = planned(count("a"), state=LATER)
    again = planned(count("a"), state=first.noted, before=first.known, now_ms=NOW_MS + 1)
    assert again.beginnings == ()


def test_when_pushes_have_failed_for_long_nothing_new_begins_with_a_0() -> None:
    tried = Pending(NOW_MS - LATE_MS - 1, NOW_MS - 1, (), frozenset())
    assert planned(count("a"), state=replace(LATER, pending=tried)).beginnings == ()
    tried = replace(tried, since_ms=NOW_MS - LATE_MS)
    assert planned(count("a"), state=replace(LATER, pending=tried)).beginnings != ()


def test_a_gauge_that_is_gone_ends_once() -> None:
    plan = planned(info("error"), state=LATER, before=known(info("enabled")))
    assert plan.samples[-1] == Sample(info("enabled").identity, None, NOW_MS)
    later = planned(info("error"), state=plan.done, before=plan.known, now_ms=NOW_MS + 1)
    assert ended(later) == []


def test_twins_carry_the_same_values_and_begin_with_their_series() -> None:
    plan = planned(tokens(3.0), info("enabled"), state=LATER, has_twins=True)
    values = {dict(s.labels)["__name__"]: s.value for s in plan.samples}
    assert values == {
        "coder_ai_gateway_tokens_total": 3.0,
        "coder_aibridged_tokens_total": 3.0,
        "coder_ai_gateway_provider_info": 1.0,
        "coder_aibridged_provider_info": 1.0,
    }
    assert len(plan.beginnings[0].samples) == 2


def test_a_twin_alone_is_not_new() -> None:
    plan = planned(tokens(3.0), state=LATER, before=known(tokens()), has_twins=True)
    assert plan.beginnings == ()
    assert len(plan.samples) == 2


def test_twins_that_are_switched_off_end_and_are_forgotten() -> None:
    on = planned(tokens(3.0), info("enabled"), state=LATER, has_twins=True)
    off = planned(tokens(4.0), info("enabled"), state=on.done, before=on.known, now_ms=NOW_MS + 1)
    assert sorted(dict(labels)["__name__"] for labels in ended(off)) == [
        "coder_aibridged_provider_info",
        "coder_aibridged_tokens_total",
    ]
    assert off.known == known(tokens(), info("enabled"))
    later = planned(tokens(4.0), state=off.done, before=off.known, now_ms=NOW_MS + 2)
    assert "coder_aibridged_tokens_total" not in str(later.samples)


def test_more_new_series_than_can_be_noted_wait_for_the_next_push() -> None:
    many = [count(str(number)) for number in range(NEW_A_PUSH + 3)]
    plan = planned(*many, count("a"), state=LATER, before=known(count("a")))
    assert len(plan.beginnings[0].samples) == NEW_A_PUSH
    assert len(plan.samples) == NEW_A_PUSH + 1
    later = planned(*many, state=plan.done, before=plan.known, now_ms=NOW_MS + 1)
    assert len(later.beginnings[0].samples) == 3


def test_of_what_had_to_wait_is_known_what_was_before() -> None:
    before = known(count("a"), info("enabled"), info("old"))
    plan = planned(count("a"), count("b"), info("enabled"), info("new"), state=LATER, before=before)
    after = plan.known_without(plan.samples, before)
    assert after == before
    assert plan.known_without((), before) == plan.known


LABELS = some.lists(some.tuples(some.text(max_size=3), some.text(max_size=3)), max_size=2).map(
    tuple
)
HASHES = some.frozensets(some.binary(min_size=8, max_size=8), max_size=4)
PENDINGS = some.builds(
    Pending,
    some.integers(0, 2**50),
    some.integers(0, 2**50),
    some.lists(some.builds(Zeros, some.integers(0, 2**50), HASHES), max_size=3).map(tuple),
    some.frozensets(LABELS, max_size=3),
)


@given(
    some.builds(
        State, some.just("t"), some.none() | some.integers(0, 2**50), some.none() | PENDINGS
    ),
    some.builds(Known, HASHES, some.frozensets(LABELS, max_size=3)),
)
def test_what_is_remembered_reads_back_the_same_for_the_same_receiver(
    state: State, what: Known
) -> None:
    assert State.read(state.written(), "t") == state
    assert State.read(state.written(), "u") == State("u")
    assert Known.read(what.written("t"), "t") == what
    assert Known.read(what.written("t"), "u") == Known()


def test_nothing_was_sent_before_anything_was_written() -> None:
    assert State.read(b"", "t") == State("t")
    assert Known.read(None, "t") == Known()
