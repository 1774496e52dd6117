"""Writes the price table of the gateway from the package genai-prices: `make prices`.

One JSON file for each maker or seller of models that a type of provider stands for, one model a
line, in the form that ``aigateway.ledger.price_rules`` reads. Kept are the prices of text tokens
that a request itself decides on; prices of sounds, images, searches and batches are left out.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
)

FOLDER = Path(__file__).parents[1] / "layers/gateway/aigateway/ledger/price_table"
PACKAGE = "genai-prices"
SOLD_BY = ("anthropic", "aws", "azure", "github-copilot", "google", "openai", "openrouter")
MADE_BY = ("deepseek", "moonshotai", "x-ai")
"""Sellers name these as where to look for what they do not list."""
RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
UNREAD = "cache_write_5m_mtok"
"""So far no model has it: its price of five minutes is that of every other cache write."""
DECIDED_BY_REQUEST = {"service_tier", "speed"}
MICROS = 1_000_000
CLAUSES = {
    "equals": "=",
    "starts_with": "^",
    "ends_with": "$",
    "contains": "*",
    "regex": "~",
    "or_": "|",
    "and_": "&",
}


def clause(match: object) -> list[Any]:
    """Return a rule as a mark and its text, or a mark and the rules below it."""
    ((name, value),) = vars(match).items()
    if isinstance(value, list):
        return [CLAUSES[name], *map(clause, value)]
    return [CLAUSES[name], value if name == "regex" else value.lower()]


def micros(dollars: Decimal) -> int:
    return int(dollars * MICROS)


def rate(price: Decimal | TieredPrices | None) -> int | list[int] | None:
    """Return a price; one with steps as the base, then each step's beginning and price."""
    if isinstance(price, TieredPrices):
        steps = [number for tier in price.tiers for number in (tier.start, micros(tier.price))]
        return [micros(price.base), *steps]
    return None if price is None else micros(price)


def rates(prices: ModelPrice) -> list[Any]:
    if getattr(prices, UNREAD) is not None:
        raise SystemExit(f"{PACKAGE} has prices of {UNREAD}: the table must learn them")
    return [rate(getattr(prices, f"{name}_mtok")) for name in RATES]


def since(constraint: Any) -> str | None:  # noqa: ANN401 - either kind of constraint
    """Return the day from which a price holds, or the hours of the day (UTC), or neither."""
    if constraint is None:
        return None
    if isinstance(constraint, StartDateConstraint):
        return constraint.start_date.isoformat()
    hours = (constraint.start_time, constraint.end_time)
    if any(hour.tzinfo is not UTC or hour.second for hour in hours):
        raise SystemExit(f"hours that are not whole minutes of UTC: {constraint}")
    return "-".join(f"{hour:%H:%M}" for hour in hours)


def model(info: ModelInfo) -> list[Any]:
    prices = info.prices
    held = prices if isinstance(prices, list) else [ConditionalPrice(prices=prices)]
    variants = [
        [variant.when, since(variant.constraint), rates(variant.prices)]
        for variant in info.price_variants or ()
        if variant.when.keys() <= DECIDED_BY_REQUEST and any(rates(variant.prices))
    ]
    told = [[since(one.constraint), rates(one.prices)] for one in held]
    return [clause(info.match), told, *([variants] if variants else [])]


def lines(document: dict[str, Any], models: list[list[Any]]) -> Iterator[str]:
    head = json.dumps(document, indent=0)[:-2]
    yield f'{head},\n"models": [\n'
    yield ",\n".join(json.dumps(one, separators=(",", ":")) for one in models)
    yield "\n]\n}\n"


def table(folder: Path, made_on: str) -> None:
    package = distribution(PACKAGE)
    licence = package.read_text("licenses/LICENSE")
    if licence is None:
        raise SystemExit(f"{PACKAGE} came without its license")
    folder.mkdir(exist_ok=True)
    (folder / "LICENSE").write_text(licence)
    sellers = {seller.id: seller for seller in get_snapshot().providers}
    for name in (*SOLD_BY, *MADE_BY):
        seller = sellers[name]
        document: dict[str, Any] = {
            "version": f"{PACKAGE} {package.version}",
            "made_on": made_on,
            "otherwise": seller.fallback_model_providers or [],
        }
        if {*document["otherwise"]} - {*SOLD_BY, *MADE_BY}:
            raise SystemExit(f"{name} sells for others than {PACKAGE} used to say")
        models = [model(info) for info in seller.models]
        (folder / f"{name}.json").write_text("".join(lines(document, models)))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    table(target, f"{datetime.now(UTC):%Y-%m-%d}")
