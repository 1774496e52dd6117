"""One circuit by examples; random ones are held against a model elsewhere."""

from itertools import count

from aigateway.pool.breaker import IDLE_SECONDS, MOST_BREAKERS, Breaker, Breakers
from aigateway.pool.breaker_settings import BreakerSettings

SETTINGS = BreakerSettings(
    enabled=True, failure_threshold=2, interval_seconds=10, timeout_seconds=30, max_requests=2
)


def entered(breaker: Breaker, now: float) -> int:
    era = breaker.enter(SETTINGS, now)
    assert era is not None
    return era


def state_of(breaker: Breaker) -> str:
    return breaker.state


def opened_at(now: float) -> Breaker:
    breaker = Breaker()
    for _ in range(2):
        breaker.failed(entered(breaker, now), now)
    assert state_of(breaker) == "open"
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    breaker = Breaker()
    breaker.failed(entered(breaker, 0), 0)
    breaker.succeeded(entered(breaker, 1), 1)
    breaker.failed(entered(breaker, 2), 2)
    assert state_of(breaker) == "closed"
    breaker.failed(entered(breaker, 3), 3)
    assert state_of(breaker) == "open"


def test_failures_further_apart_than_the_interval_never_open_it() -> None:
    breaker = Breaker()
    for now in range(1000, 1100, 10):
        breaker.failed(entered(breaker, now), now)
        assert state_of(breaker) == "closed"


def test_failures_that_took_longer_than_the_interval_count_when_they_come() -> None:
    breaker = Breaker()
    eras = [entered(breaker, 0), entered(breaker, 0)]
    for era in eras:
        breaker.failed(era, 600)
    assert state_of(breaker) == "open"


def test_an_open_one_refuses_until_its_time_is_over() -> None:
    breaker = opened_at(0)
    assert breaker.enter(SETTINGS, 29.9) is None
    assert state_of(breaker) == "open"
    entered(breaker, 30)
    assert state_of(breaker) == "half_open"


def test_a_clock_that_is_set_back_does_not_keep_it_open() -> None:
    breaker = opened_at(1000)
    entered(breaker, 999)


def test_all_trials_must_succeed_to_close_it() -> None:
    breaker = opened_at(0)
    trials = [entered(breaker, 30), entered(breaker, 30)]
    assert breaker.enter(SETTINGS, 30) is None
    breaker.succeeded(trials[0], 31)
    assert state_of(breaker) == "half_open"
    breaker.succeeded(trials[1], 32)
    assert state_of(breaker) == "closed"


def test_one_failed_trial_opens_it_again() -> None:
    breaker = opened_at(0)
    trials = [entered(breaker, 30), entered(breaker, 30)]
    breaker.succeeded(trials[0], 31)
    breaker.failed(trials[1], 32)
    assert state_of(breaker) == "open"
    assert breaker.enter(SETTINGS, 61) is None
    entered(breaker, 62)


def test_a_trial_without_a_verdict_gives_its_place_back() -> None:
    breaker = opened_at(0)
    first, _ = entered(breaker, 30), entered(breaker, 30)
    assert breaker.enter(SETTINGS, 31) is None
    breaker.left(first)
    entered(breaker, 31)
    assert breaker.enter(SETTINGS, 31) is None


def test_what_began_in_an_earlier_state_has_no_say() -> None:
    breaker = Breaker()
    late = [entered(breaker, 0) for _ in range(3)]
    for _ in range(2):
        breaker.failed(entered(breaker, 0), 0)
    entered(breaker, 30)
    breaker.failed(late[0], 30)
    breaker.succeeded(late[1], 30)
    breaker.left(late[2])
    assert state_of(breaker) == "half_open"
    entered(breaker, 30)
    assert breaker.enter(SETTINGS, 30) is None


def test_figures_that_change_count_from_the_next_request_on() -> None:
    breaker = opened_at(0)
    shorter = BreakerSettings(enabled=True, timeout_seconds=5, max_requests=1)
    era = breaker.enter(shorter, 5)
    assert era is not None
    breaker.succeeded(era, 5)
    assert state_of(breaker) == "closed"


def test_a_scope_keeps_its_breaker_until_it_is_not_used_for_ten_minutes() -> None:
    breakers = Breakers()
    scope, other = ("p", "/v1/messages", "m"), ("p", "/v1/messages", "n")
    breaker = breakers.at(scope, 0)
    assert breakers.at(other, 0) is not breaker
    assert breakers.at(scope, IDLE_SECONDS - 1) is breaker
    assert breakers.at(other, IDLE_SECONDS) is not None
    assert len(breakers) == 2
    assert breakers.at(scope, 2 * IDLE_SECONDS - 1) is not breaker


def test_there_are_never_more_than_a_thousand_and_the_longest_unused_go() -> None:
    breakers = Breakers()
    used = breakers.at(("p", "/v1/messages", "used"), 0)
    for number in count():
        breakers.at(("p", "/v1/messages", str(number)), 1)
        if number == MOST_BREAKERS:
            break
        assert breakers.at(("p", "/v1/messages", "used"), 1) is used
    assert len(breakers) == MOST_BREAKERS
