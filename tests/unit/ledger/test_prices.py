import json
from dataclasses import replace
from pathlib import Path

import pytest

from aigateway.interception import Charge, Closed, Opened
from aigateway.ledger.prices import COST_LIMIT_MICROS, Price, Prices
from aigateway.pool.providers import PROVIDER_TYPES, ProviderType
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at

CUSTOM = Price("ours 1", 1_000_000, 2_000_000, 100_000, 3_000_000, 4_000_000)


def charge_of(closed: Closed) -> Charge | None:
    (row,) = closed.rows
    return row.charge


def priced(kind: ProviderType, model: str, served: str | None = None, **extra: int | str) -> Closed:
    opened = an_opened(provider_type=kind, model=model)
    usage = replace(a_usage((1000, 1000, 1000, 1000), extra), model=served)
    return Prices().priced(opened, a_closed(opened, usage))


def input_price(closed: Closed) -> int | None:
    charge = charge_of(closed)
    return charge.input_price_micros if charge else None


def found(kind: ProviderType, model: str) -> Price | None:
    return Prices().find(kind, "p", (model,), at=at(0), prompt_tokens=10, said={})


def test_each_kind_of_tokens_has_its_own_price() -> None:
    """Claude Sonnet 4.5: US$ 3, 15, 0.30, 3.75 and, for an hour, 6 for a million tokens."""
    charge = charge_of(priced("anthropic", "claude-sonnet-4-5", cache_ephemeral_1h_input=400))
    assert charge is not None
    assert charge.cost_micros == 3000 + 15_000 + 300 + 2250 + 2400
    assert charge.cache_write_price_micros == 3_750_000
    assert charge.cache_write_1h_price_micros == 6_000_000
    assert charge.price_version.startswith("genai-prices ")


def test_the_model_that_served_is_priced_and_else_the_one_asked_for() -> None:
    assert input_price(priced("anthropic", "claude-opus-4-1", "claude-haiku-4-5")) == 1_000_000
    assert input_price(priced("azure", "team-deployment", "gpt-4o-2024-08-06")) == 2_500_000
    assert input_price(priced("anthropic", "claude-haiku-4-5", "a-new-name")) == 1_000_000
    assert input_price(priced("anthropic", "claude-haiku-4-5")) == 1_000_000


def test_with_bedrock_the_profile_that_was_asked_for_decides() -> None:
    bare = "claude-sonnet-4-5-20250929"
    for prefix, price in (("global.", 3_000_000), ("eu.", 3_300_000), ("us.", 3_300_000)):
        model = f"{prefix}anthropic.{bare}-v1:0"
        assert input_price(priced("bedrock", model, bare)) == price
    arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"
    assert input_price(priced("bedrock", arn, bare)) == 3_300_000


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("openai", "gpt-5.2-20251211"),
        ("azure", "claude-sonnet-4-5"),
        ("google", "models/gemini-2.5-pro"),
        ("google", "google/gemini-2.5-pro"),
        ("openrouter", "anthropic/claude-4.5-sonnet-20250929"),
        ("vercel", "anthropic/claude-sonnet-4.5"),
        ("vercel", "xai/grok-4"),
        ("copilot", "claude-sonnet-4"),
        ("bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("anthropic", "CLAUDE-SONNET-4-5"),
    ],
)
def test_models_are_found_under_the_names_that_providers_use(
    kind: ProviderType, model: str
) -> None:
    price = found(kind, model)
    assert price is not None
    assert price.input
    assert price.output


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai-compat", "gpt-5"),
        ("anthropic", "no-such-model"),
        ("anthropic", ""),
        ("anthropic", "claude-sonnet-4-5" + "x" * 512),
        ("vercel", "claude-sonnet-4.5"),
        ("vercel", "nobody/claude-sonnet-4.5"),
    ],
)
def test_what_the_table_does_not_list_has_no_price(kind: ProviderType, model: str) -> None:
    assert found(kind, model) is None


def test_every_type_of_provider_but_the_open_one_has_a_list() -> None:
    models = {"openrouter": "openai/gpt-5", "vercel": "openai/gpt-5", "google": "gemini-2.5-pro"}
    models |= {"bedrock": "anthropic.claude-opus-4-6-v1", "copilot": "gpt-5.4"}
    models |= {"anthropic": "claude-opus-4-6"}
    listed = {kind for kind in PROVIDER_TYPES if found(kind, models.get(kind, "gpt-5"))}
    assert listed == {*PROVIDER_TYPES} - {"openai-compat"}


def test_a_model_that_is_given_away_costs_nothing_and_has_a_price() -> None:
    charge = charge_of(priced("copilot", "gpt-4o"))
    assert charge is not None
    assert charge.cost_micros == 0
    assert charge.input_price_micros is None


def test_a_faster_service_has_its_own_price() -> None:
    plain = charge_of(priced("anthropic", "claude-opus-5"))
    fast = charge_of(priced("anthropic", "claude-opus-5", speed="fast"))
    assert plain is not None
    assert fast is not None
    assert fast.cost_micros == 2 * plain.cost_micros


def test_each_kind_is_rounded_down_alone() -> None:
    usage = a_usage((1, 1, 1, 2), {"cache_ephemeral_1h_input": 1})
    price = Price("x", 999_999, 1_999_999, 999_999, 999_999, 1_999_999)
    assert price.charge(usage).cost_micros == 0 + 1 + 0 + 0 + 1


def test_an_unknown_rate_counts_as_nothing_but_an_hour_is_like_any_write() -> None:
    usage = a_usage((1000, 1000, 1000, 1000), {"cache_ephemeral_1h_input": 1000})
    assert Price("x", None, 2_000_000, None, None).charge(usage).cost_micros == 2000
    assert Price("x", None, None, None, 3_000_000).charge(usage).cost_micros == 3000


def test_more_hourly_tokens_than_were_written_at_all_are_not_believed() -> None:
    usage = a_usage((0, 0, 0, 1000), {"cache_ephemeral_1h_input": 5000})
    assert CUSTOM.charge(usage).cost_micros == 4000


def test_a_cost_has_a_limit() -> None:
    usage = a_usage((10**12, 10**12, 10**12, 10**12))
    assert Price("x", 10**9, 10**9, 0, 0).charge(usage).cost_micros == COST_LIMIT_MICROS


def test_a_custom_price_goes_before_the_table() -> None:
    prices = Prices({("anthropic", None, "claude-sonnet-4-5"): CUSTOM})
    opened = an_opened(model="claude-sonnet-4-5")
    other = replace(a_usage(), model="claude-haiku-4-5")
    assert charge_of(prices.priced(opened, a_closed(opened, other))) == CUSTOM.charge(other)


def test_a_custom_price_of_an_open_provider_is_of_one_instance() -> None:
    prices = Prices({("openai-compat", "openai", "llama"): CUSTOM})

    def cost(name: str, kind: ProviderType = "openai-compat") -> int | None:
        opened = an_opened(provider_type=kind, provider_name=name, model="llama")
        usage = replace(a_usage((1000, 0, 0, 0)), model=None)
        return prices.priced(opened, a_closed(opened, usage)).cost_micros

    assert cost("openai") == 1000
    assert cost("other-llm") is None
    assert cost("openai", "openai") is None


def test_only_tokens_are_charged_and_nothing_else_changes() -> None:
    opened = an_opened()
    closed = a_closed(opened, a_usage(), a_tool(), a_thought(), a_usage((1, 2, 3, 4)))
    charged = Prices().priced(opened, closed)
    assert [row.charge is not None for row in charged.rows] == [True, False, False, True]
    assert [replace(row, charge=None) for row in charged.rows] == list(closed.rows)
    assert charged.unpriced == 0
    assert closed.unpriced == 2
    costs = [row.charge.cost_micros for row in charged.rows if row.charge]
    assert charged.cost_micros == sum(costs)


def test_a_sellers_file_is_read_once_and_only_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "openai.json"
    listed = [["=", "m"], [[None, [7, 7, 7, 7, 7]]]]
    path.write_text(json.dumps({"version": "v", "otherwise": [], "models": [listed]}))
    prices = Prices(table=tmp_path)
    for model in ("m", "n", "m"):
        price = prices.find("openai", "p", (model,), at=at(0), prompt_tokens=1, said={})
        assert (price is not None) is (model == "m")
        path.unlink(missing_ok=True)


def test_the_price_of_the_start_holds() -> None:
    """Claude Sonnet 4.6 had a dearer step for long prompts until 13 March 2026."""

    def price(opened: Opened) -> int | None:
        usage = replace(a_usage((300_000, 0, 0, 0)), model=None)
        return input_price(Prices().priced(opened, a_closed(opened, usage)))

    model = "claude-sonnet-4-6"
    assert price(an_opened(model=model)) == 3_000_000
    assert price(an_opened(model=model, started_at=at(-300 * 86_400))) == 6_000_000
