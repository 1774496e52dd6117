"""Traffic of some people, and what the counters it moved must look like in Prometheus.

``truth`` is written from the published meaning of each family, not from the publisher's rules.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from aigateway.ledger.store import CounterKey, Store
from aigateway.steps import passed_through, rejected, steps_of_closing
from tests.builders import a_closed, a_tool, a_usage, an_opened

Labels = tuple[tuple[str, str], ...]
Values = dict[Labels, float]
NEW = "coder_ai_gateway_"
PEOPLE = ("u-alice", "u-bob")
MODELS = ("claude-sonnet-4-5", "claude-haiku-4-5")
BOUNDS = {
    "interceptions_duration_seconds": ("0.5", "2", "5", "15", "30", "60", "120", "+Inf"),
    "key_pool_failover_attempts": ("1", "2", "3", "4", "5", "10", "25", "+Inf"),
}


async def traffic(store: Store, number: int) -> None:
    """Close a few records, more kinds of them with every ``number``."""
    for person in PEOPLE[: 1 + number % 2]:
        for model in MODELS[: 1 + number // 2 % 2]:
            opened = an_opened(
                number * 10, initiator_id=person, model=model, session=f"{person}-{number}"
            )
            closed = a_closed(
                opened,
                a_usage((number, 2, 0, 1), {"output_reasoning": 5}),
                a_tool(name=f"Tool{number}"),
                seconds=1 + number * 3,
                key_attempts=1 + number % 3,
                outcome="failed" if number % 3 == 2 else "completed",
            )
            await store.open(opened)
            await store.close(opened, closed, steps_of_closing(opened, closed))
    await store.count(rejected("not_allowed"))
    await store.count(
        passed_through("anthropic", "/v1/models", "GET", 0.25 * number, 1 + number % 2)
    )


def truth(counters: Mapping[CounterKey, Mapping[str, int]], prefix: str = NEW) -> Values:
    """Return every counter series that these counters mean, names with one of the prefixes."""
    values: Counter[Labels] = Counter()
    for (kind, parts), amounts in counters.items():
        if kind == "P":
            provider, route, method = parts
            named = {"provider": provider, "route": route, "method": method}
            values[key("passthrough_total", **named)] += amounts["n"]
        if kind == "R":
            values.update(counted(parts, amounts))
    if prefix == NEW:
        values.update(unpriced(counters))
    found: Values = {**values, **bucketed(counters)}
    return {renamed(labels, prefix): value for labels, value in found.items()}


def counted(parts: tuple[str, ...], amounts: Mapping[str, int]) -> "Counter[Labels]":
    """Return what one counter of closed interceptions adds to the plain counters."""
    provider, model, route, method, client, who = parts
    whose = {"provider": provider, "model": model, "initiator_id": who, "client": client}
    where = {"route": route, "method": method}
    values = Counter({key("prompts_total", **whose): amounts["p"]})
    for attribute, status in (("c", "completed"), ("f", "failed")):
        if attribute in amounts:
            name = key("interceptions_total", **whose, **where, status=status)
            values[name] = amounts[attribute]
    for attribute, amount in amounts.items():
        word, _, rest = attribute.partition(":")
        if word == "t":
            values[key("tokens_total", **whose, type=rest)] = amount
        if word == "n":
            named = {"provider": provider, "model": model, "name": rest}
            values[key("non_injected_tool_selections_total", **named)] = amount
    return values


def unpriced(counters: Mapping[CounterKey, Mapping[str, int]]) -> "Counter[Labels]":
    """Return the one family of cost control that counts here: it never had the older names."""
    values: Counter[Labels] = Counter()
    for (kind, parts), amounts in counters.items():
        for attribute, amount in amounts.items() if kind == "R" else ():
            word, _, provider_type = attribute.partition(":")
            if word == "up":
                named = {"provider": parts[0], "model": parts[1], "provider_type": provider_type}
                values[key("cost_control_unpriced_token_usage_records_total", **named)] += amount
    return values


def bucketed(counters: Mapping[CounterKey, Mapping[str, int]]) -> Values:
    buckets: dict[Labels, Counter[str]] = defaultdict(Counter)
    for (kind, parts), amounts in counters.items():
        places = {"k": key("key_pool_failover_attempts", provider=parts[0])}
        if kind == "R":
            of_model = {"provider": parts[0], "model": parts[1]}
            places["d"] = key("interceptions_duration_seconds", **of_model)
        for letter, place in places.items():
            found = {end: amounts.get(f"{letter}{end}", 0) for end in "01234567s"}
            if kind in "RP" and any(found.values()):
                buckets[place].update(found)
    values: Values = {}
    for place, counts in buckets.items():
        labels = dict(place)
        name = labels.pop("__name__")
        total = 0
        for end, bound in enumerate(BOUNDS[name]):
            total += counts[str(end)]
            values[key(f"{name}_bucket", **labels, le=bound)] = total
        values[key(f"{name}_count", **labels)] = total
        values[key(f"{name}_sum", **labels)] = counts["s"] / (1000 if "seconds" in name else 1)
    return values


def key(series: str, /, **labels: str) -> Labels:
    return tuple(sorted({"__name__": series, **labels}.items()))


def renamed(labels: Labels, prefix: str) -> Labels:
    named = dict(labels)
    return tuple(sorted((named | {"__name__": prefix + named["__name__"]}).items()))
