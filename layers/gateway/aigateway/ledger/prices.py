"""Door of the price table: what the tokens of an answer cost.

The table lies beside this module, one file for each seller of models; a file is read when the
first answer of that seller is priced. Prices that an operator sets go before it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, final

from aigateway.interception import Charge, Closed, Opened
from aigateway.ledger.price_rules import Rate, fits, rates_at, rates_for, spellings
from aigateway.pool.providers import ProviderType
from aigateway.transcript.facts import TokenUsage

TABLE = Path(__file__).with_name("price_table")
MILLION = 1_000_000
COST_LIMIT_MICROS = 10**13
MODEL_CHARACTERS = 512
FOUND_LIMIT = 256
HOUR_TOKENS = "cache_ephemeral_1h_input"

CustomKey = tuple[ProviderType, str | None, str]
"""A provider's type, the name of the instance where the type is ``openai-compat``, a model."""

SELLERS: Mapping[ProviderType, str] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "aws",
    "copilot": "github-copilot",
    "google": "google",
    "openai": "openai",
    "openrouter": "openrouter",
}
"""Not here: ``openai-compat``, which may be anybody."""
MAKERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "deepseek": "deepseek",
    "google": "google",
    "moonshotai": "moonshotai",
    "openai": "openai",
    "xai": "x-ai",
}
"""Vercel names models ``maker/model`` and takes the maker's price (its "AI Gateway Pricing")."""
GOOGLE_PREFIXES = ("models/", "google/")
"""As its two services with OpenAI's dialect name a model (Gemini API and Vertex AI, "OpenAI
compatibility")."""


@final
@dataclass(frozen=True, slots=True)
class Price:
    """Millionths of a US dollar for a million tokens; ``None``: unknown, and counted as nothing.

    Without a price of its own a cache write for an hour is paid like any other.
    """

    version: str
    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_1h: int | None = None

    def charge(self, usage: TokenUsage) -> Charge:
        """Reckon an answer's cost: each kind of tokens in whole millionths, rounded down."""
        told = usage.extra.get(HOUR_TOKENS)
        hour = min(told, usage.cache_write) if isinstance(told, int) else 0
        hour_price = self.cache_write if self.cache_write_1h is None else self.cache_write_1h
        parts = (
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read),
            (usage.cache_write - hour, self.cache_write),
            (hour, hour_price),
        )
        cost = sum(tokens * (price or 0) // MILLION for tokens, price in parts)
        return Charge(
            cost_micros=min(cost, COST_LIMIT_MICROS),
            price_version=self.version,
            input_price_micros=self.input,
            output_price_micros=self.output,
            cache_read_price_micros=self.cache_read,
            cache_write_price_micros=self.cache_write,
            cache_write_1h_price_micros=self.cache_write_1h,
        )


@final
@dataclass(frozen=True, slots=True)
class _Listed:
    """A model of the table: its prices by time, and what a kind of service changes of them."""

    version: str
    prices: list[list[Any]]
    variants: list[list[Any]]


@final
class Prices:
    """The table, and ``custom`` prices."""

    def __init__(
        self, custom: Mapping[CustomKey, Price] | None = None, table: Path = TABLE
    ) -> None:
        self._custom = custom or {}
        self._table = table
        self._sellers: dict[str, Any] = {}
        self._found: dict[tuple[str, str], _Listed | None] = {}

    def priced(self, opened: Opened, closed: Closed) -> Closed:
        """Return the closing with the costs of its tokens, as far as they have a price."""
        rows = (
            replace(row, charge=self._charge(opened, closed, row.fact))
            if isinstance(row.fact, TokenUsage)
            else row
            for row in closed.rows
        )
        return replace(closed, rows=tuple(rows))

    def _charge(self, opened: Opened, closed: Closed, usage: TokenUsage) -> Charge | None:
        """The model that served is priced, else the one that was asked for.

        With Bedrock it is the other way round: the price depends on the profile that was asked
        for (``global.``, ``eu.``), and an answer names the bare model.
        """
        served, asked = usage.model or closed.provider_model, opened.model
        names = (asked, served) if opened.provider_type == "bedrock" else (served, asked)
        price = self.find(
            opened.provider_type,
            opened.provider_name,
            tuple(name for name in names if name),
            at=opened.started_at,
            prompt_tokens=usage.input + usage.cache_read + usage.cache_write,
            said=usage.extra,
        )
        return None if price is None else price.charge(usage)

    def find(
        self,
        kind: ProviderType,
        provider_name: str,
        models: tuple[str, ...],
        *,
        at: datetime,
        prompt_tokens: int,
        said: Mapping[str, object],
    ) -> Price | None:
        """Return the price of the first of ``models`` that has one.

        ``said`` is what the answer says of its service: members ``service_tier`` and ``speed``.
        """
        instance = provider_name if kind == "openai-compat" else None
        for model in models:
            if (kind, instance, model) in self._custom:
                return self._custom[kind, instance, model]
        for model in models:
            listed = self._listed(kind, model)
            if listed is not None:
                rates: list[Rate] = rates_at(listed.prices, listed.variants, at, said)
                return Price(listed.version, *rates_for(rates, prompt_tokens))
        return None

    def _listed(self, kind: ProviderType, model: str) -> _Listed | None:
        place = _place(kind, model)
        if place is None or len(model) > MODEL_CHARACTERS:
            return None
        if place not in self._found:
            if len(self._found) == FOUND_LIMIT:
                self._found.clear()
            self._found[place] = self._look_up(*place)
        return self._found[place]

    def _look_up(self, seller: str, model: str) -> _Listed | None:
        """A model that the seller takes from elsewhere has that one's price for plain service."""
        document = self._document(seller)
        for name in spellings(model):
            for owner in (seller, *document["otherwise"]):
                for rule, prices, *variants in self._document(owner)["models"]:
                    if fits(rule, name):
                        own = variants[0] if variants and owner == seller else []
                        return _Listed(document["version"], prices, own)
        return None

    def _document(self, seller: str) -> Any:  # noqa: ANN401 - JSON of our own making
        if seller not in self._sellers:
            text = (self._table / f"{seller}.json").read_bytes()
            self._sellers[seller] = json.loads(text)
        return self._sellers[seller]


def _place(kind: ProviderType, model: str) -> tuple[str, str] | None:
    """Return whose list holds a model, and its name there; ``None`` where there is no list."""
    if kind == "vercel":
        maker, _, model = model.partition("/")
        return (MAKERS[maker], model) if maker in MAKERS else None
    if kind == "google":
        for prefix in GOOGLE_PREFIXES:
            model = model.removeprefix(prefix)
    return (SELLERS[kind], model) if kind in SELLERS else None
