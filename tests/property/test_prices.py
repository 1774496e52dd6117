"""The price table: laws of what is charged, and the package it is made of as its oracle."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as some

from aigateway.interception import Charge
from aigateway.ledger.prices import COST_LIMIT_MICROS, SELLERS, Price, Prices
from aigateway.pool.providers import ProviderType
from aigateway.transcript.facts import TokenUsage
from tests.builders import a_usage

PROVIDERS = {provider.id: provider for provider in get_snapshot().providers}
PRICES = Prices()
MANY = 300_000
SERVICES: tuple[dict[str, str], ...] = (
    {},
    {"service_tier": "flex"},
    {"service_tier": "priority"},
    {"speed": "fast"},
)
LONG_AGO, MADE = datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)

AMOUNTS = some.tuples(*[some.integers(0, 10**12)] * 4)
RATES = some.one_of(some.none(), some.integers(0, 10**9))
SOME_PRICE = some.builds(Price, some.just("v"), RATES, RATES, RATES, RATES, RATES)
USAGES = some.builds(
    lambda amounts, hour: a_usage(amounts, {"cache_ephemeral_1h_input": hour}),
    AMOUNTS,
    some.integers(0, 10**12),
)
TIMES = some.datetimes(
    LONG_AGO.replace(tzinfo=None),
    LONG_AGO.replace(year=2028, tzinfo=None),
    timezones=some.just(UTC),
)


def names_of(rule: object) -> list[str]:
    """Return names that a rule of the oracle is about; what only fits a pattern has none."""
    told = vars(rule)
    if "regex" in told:
        return []
    ((_, value),) = told.items()
    return [value] if isinstance(value, str) else [name for one in value for name in names_of(one)]


LISTED: list[tuple[ProviderType, str]] = [
    (kind, name)
    for kind, seller in SELLERS.items()
    for model in PROVIDERS[seller].models
    for name in (model.id, *names_of(model.match))
]


def hour_of(usage: TokenUsage) -> int:
    """Return the tokens that were written for an hour, never more than were written."""
    told = usage.extra["cache_ephemeral_1h_input"]
    assert isinstance(told, int)
    return min(told, usage.cache_write)


def expected(
    seller: str, model: str, usage: TokenUsage, at: datetime, said: dict[str, str]
) -> Decimal | None:
    """Return the oracle's cost in millionths of a US dollar; ``None`` where it knows no price."""
    counts = {
        "input_tokens": usage.input + usage.cache_read + usage.cache_write,
        "output_tokens": usage.output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "cache_write_1h_tokens": hour_of(usage),
    }
    asked: Any = {"provider_id": seller, "genai_request_timestamp": at, "price_context": said}
    try:
        found = genai_prices.calc_price(genai_prices.Usage(**counts), model, **asked)
    except LookupError:
        return None
    return (found.input_price + found.output_price) * 1_000_000


def charge(
    kind: ProviderType, model: str, usage: TokenUsage, at: datetime, said: dict[str, str]
) -> Charge | None:
    prompt = usage.input + usage.cache_read + usage.cache_write
    price = PRICES.find(kind, "p", (model,), at=at, prompt_tokens=prompt, said=said)
    return None if price is None else price.charge(usage)


def agrees(
    kind: ProviderType, model: str, usage: TokenUsage, at: datetime, said: dict[str, str]
) -> bool:
    """Tell whether the model has a price, and see that it is the package's.

    Each of five parts is rounded down, and so is each rate: by one for a million tokens.
    """
    theirs = expected(SELLERS[kind], model, usage, at, said)
    ours = charge(kind, model, usage, at, said)
    if theirs is None or ours is None:
        assert theirs is None, (kind, model)
        assert ours is None, (kind, model)
        return False
    tokens = usage.input + usage.output + usage.cache_read + usage.cache_write
    below = min(theirs, Decimal(COST_LIMIT_MICROS)) - ours.cost_micros
    assert 0 <= below <= 5 + Decimal(tokens) / 1_000_000, (kind, model, theirs, ours)
    return True


@pytest.mark.parametrize("said", SERVICES, ids=str)
def test_every_listed_name_costs_what_the_package_says(said: dict[str, str]) -> None:
    """Small and long prompts, before and after every change of a price."""
    found = 0
    for number, (kind, name) in enumerate(LISTED):
        amounts = (number * 7919 % MANY, number * 31 % 9000, number * 104_729 % MANY, 5000)
        usage = a_usage(amounts, {"cache_ephemeral_1h_input": number % 6000})
        at = LONG_AGO + (MADE - LONG_AGO) * ((number * 13) % 100) / 99
        agrees(kind, name, usage, at, said)
        found += agrees(kind, name, usage, MADE, said)
    assert found > 0.95 * len(LISTED)


@settings(deadline=None, max_examples=500)
@given(
    some.sampled_from(LISTED),
    some.sampled_from(["", "-20251211", "-2026-01-31", "-v1:0", ":free", "@20260101", "-latest"]),
    USAGES,
    TIMES,
    some.sampled_from(SERVICES),
)
def test_names_with_endings_cost_what_the_package_says(
    listed: tuple[ProviderType, str],
    ending: str,
    usage: TokenUsage,
    at: datetime,
    said: dict[str, str],
) -> None:
    kind, name = listed
    agrees(kind, name + ending, usage, at, said)


@given(SOME_PRICE, USAGES, USAGES)
def test_a_sum_costs_what_its_parts_cost_but_for_the_rounding(
    price: Price, one: TokenUsage, other: TokenUsage
) -> None:
    both = a_usage(
        (
            one.input + other.input,
            one.output + other.output,
            one.cache_read + other.cache_read,
            one.cache_write + other.cache_write,
        ),
        {"cache_ephemeral_1h_input": hour_of(one) + hour_of(other)},
    )
    parts = price.charge(one).cost_micros + price.charge(other).cost_micros
    whole = price.charge(both).cost_micros
    limited = min(parts, COST_LIMIT_MICROS)
    assert limited <= whole <= parts + 5


@given(SOME_PRICE, USAGES, some.sampled_from(["input", "output", "cache_read", "cache_write"]))
def test_more_tokens_never_cost_less(price: Price, usage: TokenUsage, kind: str) -> None:
    more = replace(usage, **{kind: getattr(usage, kind) + 1_000_000})
    same = replace(more, extra={"cache_ephemeral_1h_input": hour_of(usage)})
    assert price.charge(same).cost_micros >= price.charge(usage).cost_micros


@settings(deadline=timedelta(seconds=2))
@given(some.sampled_from(sorted(SELLERS)), some.text(max_size=600), TIMES)
def test_any_name_is_priced_or_not_and_breaks_nothing(
    kind: ProviderType, model: str, at: datetime
) -> None:
    price = PRICES.find(kind, "p", (model,), at=at, prompt_tokens=1, said={"speed": "fast"})
    assert price is None or price.charge(a_usage()).cost_micros >= 0
