"""What the counters must say, told from the rows alone: a second opinion.

It follows the published meaning of each family, and shares no rule with what counts or publishes.
What leaves no row is not in it: refusals, pass-through requests, circuit breakers, marked keys.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, final

from aigateway.interception import Closed, Heard
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception
from aigateway.ledger.store import CounterKey, Reading
from aigateway.reload.publishing.fold import folded
from aigateway.reload.publishing.names import Names
from aigateway.transcript.facts import TokenUsage, ToolUsage

Labels = tuple[tuple[str, str], ...]
"""Sorted, the name of the series among them as ``__name__``."""
Values = dict[Labels, float]
ModelLabel = Callable[[str, str], str]
"""From a provider and a model to the value of the label ``model``."""

OURS = "coder_ai_gateway_"
COST = "aigw_cost_usd_total"
FINER = re.compile("reasoning|audio|prediction|ephemeral|thinking")
"""Which of the numbers beside the four counts are types of tokens."""
PAGE_ROWS = 500


async def rows_of(store: Reading, now: datetime) -> list[Interception]:
    """Return every record with its rows, as readers get them, those in flight included."""
    found: list[Interception] = []
    cursor: str | None = None
    while True:
        window = Window(PAGE_ROWS, now, cursor, inflight=True, auxiliary=True)
        page = await store.interceptions(Filter(), Reach(None), window)
        found += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return found


def by_name(_: str, model: str) -> str:
    return model


def as_one(*_: str) -> str:
    return "any"


def recounted(rows: Iterable[Interception], label: ModelLabel = by_name) -> Values:
    """Return every counter series that these records mean, none of them 0."""
    sums: Counter[Labels] = Counter()
    observed: dict[tuple[Labels, Scale], list[int]] = defaultdict(list)
    for row in rows:
        if row.closed is None:
            continue
        where = {
            "provider": row.opened.provider_name,
            "model": label(row.opened.provider_name, row.opened.model),
        }
        for name, labels, amount in _amounts(row, row.closed, where):
            sums[key(name, **labels)] += amount
        for name, labels, scale, value in _observations(row, row.closed, where):
            observed[key(name, **labels), scale].append(value)
    values: Values = {
        series: amount / 1_000_000 if dict(series)["__name__"] == COST else amount
        for series, amount in sums.items()
        if amount
    }
    for (series, scale), found in observed.items():
        values.update(scale.histogram(series, found))
    return values


Amounts = Iterator[tuple[str, dict[str, str], int]]


def _amounts(row: Interception, closed: Closed, where: dict[str, str]) -> Amounts:
    opened = row.opened
    whose = where | {"initiator_id": opened.initiator_id, "client": opened.client.name}
    status = "completed" if closed.outcome == "completed" else "failed"
    request = {"route": opened.route, "method": opened.method, "status": status}
    yield f"{OURS}interceptions_total", whose | request, 1
    if opened.prompt is not None and opened.prompt.text:
        yield f"{OURS}prompts_total", whose, 1
    for heard in closed.rows:
        fact = heard.fact
        if isinstance(fact, TokenUsage):
            yield from _tokens(row, heard, fact, whose)
        elif isinstance(fact, ToolUsage):
            is_plain = re.fullmatch(r"[A-Za-z0-9_.:/-]{1,64}", fact.name)
            named = where | {"name": fact.name if is_plain else "other"}
            yield f"{OURS}non_injected_tool_selections_total", named, 1
    if closed.usage_missing:
        yield "aigw_usage_missing_total", where | {"reason": why_missing(closed)}, 1
    if closed.outcome == "abandoned":
        yield "aigw_orphans_closed_total", {}, 1


def _tokens(row: Interception, heard: Heard, usage: TokenUsage, whose: dict[str, str]) -> Amounts:
    for kind, amount in tokens_of(usage).items():
        yield f"{OURS}tokens_total", whose | {"type": kind}, amount
    of_model = {name: whose[name] for name in ("provider", "model")}
    if heard.charge is None:
        typed = of_model | {"provider_type": row.opened.provider_type}
        yield f"{OURS}cost_control_unpriced_token_usage_records_total", typed, 1
    else:
        payer = of_model | {"initiator_id": row.opened.initiator_id}
        yield COST, payer, heard.charge.cost_micros


def tokens_of(usage: TokenUsage) -> Mapping[str, int]:
    finer = {n: v for n, v in usage.extra.items() if isinstance(v, int) and FINER.search(n)}
    return {
        "input": usage.input,
        "output": usage.output,
        "cache_read_input_tokens": usage.cache_read,
        "cache_write_input_tokens": usage.cache_write,
        **finer,
    }


def why_missing(closed: Closed) -> str:
    if closed.deaf is not None:
        return "unread"
    if "usage_refused" in closed.notes:
        return "invalid"
    return "absent" if closed.outcome in ("completed", "failed") else "cut"


@final
@dataclass(frozen=True, slots=True)
class Scale:
    """``bounds`` are in units, of which one is so many whole numbers, summed in ``grains``."""

    bounds: tuple[str, ...]
    unit: int = 1
    grain: int = 1

    def histogram(self, series: Labels, found: list[int]) -> Values:
        labels = dict(series)
        name = labels.pop("__name__")
        limits = {bound: Fraction(bound) * self.unit for bound in self.bounds}
        values = {
            key(f"{name}_bucket", **labels, le=bound): sum(value <= limit for value in found)
            for bound, limit in limits.items()
        }
        grains = sum(round(Fraction(value, self.grain)) for value in found)
        return {
            **values,
            key(f"{name}_bucket", **labels, le="+Inf"): len(found),
            key(f"{name}_sum", **labels): grains / (self.unit // self.grain),
            key(f"{name}_count", **labels): len(found),
        }


LASTING = Scale(("0.5", "2", "5", "15", "30", "60", "120"), 1_000_000, 1_000)
WAITING = Scale(("0.1", "0.25", "0.5", "1", "2.5", "5", "10"), 1_000_000, 1_000)
TRYING = Scale(("1", "2", "3", "4", "5", "10", "25"))
"""Times are known to the microsecond, and their sums are of milliseconds."""


def _observations(
    row: Interception, closed: Closed, where: dict[str, str]
) -> Iterator[tuple[str, dict[str, str], Scale, int]]:
    began = row.opened.started_at
    yield f"{OURS}interceptions_duration_seconds", where, LASTING, since(began, closed.ended_at)
    if closed.first_byte_at is not None:
        waited = since(began, closed.first_byte_at)
        yield "aigw_time_to_first_byte_seconds", where, WAITING, waited
    if closed.key_attempts:
        of_provider = {"provider": where["provider"]}
        yield f"{OURS}key_pool_failover_attempts", of_provider, TRYING, closed.key_attempts


def since(began: datetime, at: datetime) -> int:
    """Microseconds; a clock that went back gives none."""
    return max((at - began) // timedelta(microseconds=1), 0)


def key(series: str, /, **labels: str) -> Labels:
    """Return the labels of a series as a server tells them: no empty one, none over 128 bytes."""
    named = {"__name__": series} | {name: shown(value) for name, value in labels.items()}
    return tuple(sorted((name, value) for name, value in named.items() if value))


def shown(value: str) -> str:
    printed = re.sub(r"[\x00-\x1f\x7f-\x9f]", "", value)
    return printed.encode(errors="replace")[:128].decode(errors="ignore")


def counted(
    counters: Mapping[CounterKey, Mapping[str, int]], label: ModelLabel = by_name
) -> Values:
    """Return what the publisher makes of the counters that have rows, every name with a place."""
    rows: dict[CounterKey, Counter[str]] = defaultdict(Counter)
    for (kind, of), amounts in counters.items():
        if kind == "R":
            rows[kind, (of[0], label(*of[:2]), *of[2:])].update(amounts)
        elif (kind, of) == ORPHANS:
            rows[kind, of].update(amounts)
    providers = {of[0] for kind, of in rows if kind == "R"}
    models = {p: frozenset(of[1] for _, of in rows if of[0] == p) for p in providers}
    tools = {
        p: frozenset(n[2:] for (_, of), amounts in rows.items() if of[0] == p for n in amounts)
        for p in providers
    }
    return {
        key(each.name, **dict(each.labels)): each.value
        for each in folded(rows, Names(models, tools))
    }


ORPHANS: CounterKey = ("O", ("orphans",))


async def disagreement(store: Any, now: datetime) -> Mapping[Labels, tuple[Any, Any]]:  # noqa: ANN401 - any store, wrapped or not
    """Return each series of which rows and counters differ: what either says, ``None``: nothing.

    Once a publisher was at work, it may have moved what counts models that never answered: then
    all models are one.
    """
    label = by_name if await store.publisher_text("NAMES") is None else as_one
    meant = recounted(await rows_of(store, now), label)
    return differing(counted(await store.counters(), label), meant)


def differing(said: Values, meant: Values) -> dict[Labels, tuple[float | None, float | None]]:
    return {
        series: (said.get(series), meant.get(series))
        for series in {**said, **meant}
        if said.get(series) != meant.get(series)
    }
