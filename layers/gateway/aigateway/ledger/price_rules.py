"""The rules of the price table as they stand in its files: which model, when, at what rate.

They are those of the package genai-prices, of which the files are made: the first rule that fits
names the model, the last price whose day or hour has come holds, and what a faster or slower
service changes is laid over it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from operator import contains, eq
from typing import Any

Rule = list[Any]
"""A mark and a text, or a mark and the rules below it."""
Rate = int | list[int] | None
"""Millionths of a US dollar for a million tokens. As a list: the rate, then for every step how
many tokens a prompt must have more than, and the rate that all its tokens then have."""
Rates = tuple[int | None, int | None, int | None, int | None, int | None]
"""Of input, output, cache read, cache write and, where it differs, cache write for an hour."""

TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "=": eq,
    "^": str.startswith,
    "$": str.endswith,
    "*": contains,
    "~": lambda model, text: re.search(text, model) is not None,
}
SHORT_DATE = re.compile(r"-(20[0-9]{2})([0-9]{2})([0-9]{2})(?=-|:|$)")


def fits(rule: Rule, model: str) -> bool:
    """Tell whether a rule means this model, whose name is in lower case."""
    mark, *below = rule
    if mark == "|":
        return any(fits(one, model) for one in below)
    if mark == "&":
        return all(fits(one, model) for one in below)
    return TESTS[mark](model, below[0])


def spellings(model: str) -> tuple[str, ...]:
    """Return the name in lower case, and again with ``-20251211`` written as ``-2025-12-11``."""
    plain = model.lower()
    dashed = SHORT_DATE.sub(_dashed, plain)
    return (plain,) if dashed == plain else (plain, dashed)


def _dashed(found: re.Match[str]) -> str:
    try:
        return f"-{date(*map(int, found.groups()))}"
    except ValueError:
        return found[0]


def is_active(since: str | None, at: datetime) -> bool:
    """``since`` is a day, or the hours of each day as ``16:30-00:30``, both in UTC."""
    if since is None:
        return True
    at = at.astimezone(UTC)
    if ":" not in since:
        return f"{at:%Y-%m-%d}" >= since
    start, end = since.split("-")
    now = f"{at:%H:%M}"
    return start <= now < end if start <= end else now >= start or now < end


def rates_at(
    prices: list[list[Any]], variants: list[list[Any]], at: datetime, said: Mapping[str, object]
) -> list[Rate]:
    """Return the rates that hold at a time; ``said`` is what the answer says of its service."""
    held = next((rates for since, rates in reversed(prices) if is_active(since, at)), prices[0][1])
    rates = list(held)
    for when, since, changed in reversed(variants):
        if is_active(since, at) and all(said.get(name) == value for name, value in when.items()):
            rates = [old if new is None else new for old, new in zip(rates, changed, strict=True)]
    return rates


def rates_for(rates: Sequence[Rate], prompt_tokens: int) -> Rates:
    """Return plain rates for a prompt of that length, what was read from a cache included.

    A part of the prompt that has no rate of its own is paid like the rest of it.
    """
    fresh, output, read, written, hour = (_rate(rate, prompt_tokens) for rate in rates)
    read = fresh if read is None else read
    return fresh, output, read, fresh if written is None else written, hour


def _rate(rate: Rate, prompt_tokens: int) -> int | None:
    if not isinstance(rate, list):
        return rate
    held, *steps = rate
    for start, price in zip(steps[::2], steps[1::2], strict=True):
        if prompt_tokens > start:
            held = price
    return held
