from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aigateway.ledger.price_rules import Rate, fits, is_active, rates_at, rates_for, spellings

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PLAIN = [10, 20, 1, 12, 20]


@pytest.mark.parametrize(
    ("rule", "fitting", "other"),
    [
        (["=", "gpt-5"], "gpt-5", "gpt-5-mini"),
        (["^", "gpt-5"], "gpt-5-mini", "o-gpt-5"),
        (["$", "-5"], "gpt-5", "gpt-5-mini"),
        (["*", "opus"], "claude-opus-4", "claude-sonnet-4"),
        (["~", "^o[13]$"], "o3", "o4"),
        (["|", ["=", "a"], ["=", "b"]], "b", "c"),
        (["&", ["^", "a"], ["$", "z"]], "abz", "ab"),
    ],
)
def test_a_rule_fits_what_its_mark_says(rule: list[object], fitting: str, other: str) -> None:
    assert fits(rule, fitting)
    assert not fits(rule, other)


def test_a_short_date_is_also_tried_with_dashes() -> None:
    assert spellings("GPT-5.2-20251211") == ("gpt-5.2-20251211", "gpt-5.2-2025-12-11")
    assert spellings("gpt-5.2-20251341") == ("gpt-5.2-20251341",)
    assert spellings("gpt-5.2") == ("gpt-5.2",)


@pytest.mark.parametrize(
    ("since", "hour", "holds"),
    [
        (None, 0, True),
        ("2026-11-24", 0, True),
        ("2026-11-25", 23, False),
        ("09:00-17:00", 9, True),
        ("09:00-17:00", 17, False),
        ("22:00-06:00", 23, True),
        ("22:00-06:00", 5, True),
        ("22:00-06:00", 6, False),
    ],
)
def test_a_price_holds_from_a_day_on_or_for_some_hours(
    since: str | None, hour: int, *, holds: bool
) -> None:
    assert is_active(since, NOON.replace(hour=hour)) is holds


def test_days_and_hours_are_those_of_utc() -> None:
    west = timezone(timedelta(hours=-8))
    assert is_active("2026-11-25", datetime(2026, 11, 24, 16, 0, tzinfo=west))
    assert not is_active("2026-11-25", datetime(2026, 11, 24, 15, 59, tzinfo=west))


def test_the_last_price_whose_day_has_come_holds_else_the_first() -> None:
    newer = ["2026-11-24", [11, 21, 1, 13, 21]]
    future = ["2027-01-01", [12, 22, 1, 14, 22]]
    assert rates_at([[None, PLAIN], newer, future], [], NOON, {})[0] == 11
    assert rates_at([future, ["2027-02-01", PLAIN]], [], NOON, {})[0] == 12


def test_a_variant_changes_what_it_names_and_the_first_that_fits_wins() -> None:
    slow: list[Any] = [{"service_tier": "flex"}, None, [5, None, None, None, None]]
    later: list[Any] = [{"service_tier": "flex"}, None, [6, 7, None, None, None]]
    future: list[Any] = [{"service_tier": "flex"}, "2027-01-01", [1, 1, 1, 1, 1]]
    variants = [future, slow, later]
    assert rates_at([[None, PLAIN]], variants, NOON, {"service_tier": "flex"}) == [5, 7, 1, 12, 20]
    assert rates_at([[None, PLAIN]], variants, NOON, {"service_tier": "default"}) == PLAIN


def test_a_step_prices_all_tokens_of_a_prompt_that_is_longer_than_it() -> None:
    rates: list[Rate] = [[10, 100, 20, 200, 30], [50, 100, 75], None, None, None]
    assert rates_for(rates, 100)[:2] == (10, 50)
    assert rates_for(rates, 101)[:2] == (20, 75)
    assert rates_for(rates, 201)[:2] == (30, 75)


def test_cached_tokens_without_a_rate_are_paid_like_the_rest_of_the_prompt() -> None:
    assert rates_for([10, 20, None, None, None], 5) == (10, 20, 10, 10, None)
    assert rates_for([10, 20, 0, 12, 20], 5) == (10, 20, 0, 12, 20)
    assert rates_for([None] * 5, 5) == (None,) * 5
