"""Counters → series: sums over the labels that a family does not have, exact to the end.

The rules are data: which attribute of which kind of counter goes to which family. Counters hold
integers; a sum is divided once, when it is complete.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

from aigateway.reload.publishing.names import Counters, Names
from aigateway.steps import CLOSED
from aigateway.telemetry import catalogue
from aigateway.telemetry.catalogue import Family
from aigateway.telemetry.series import Labels, Series, histogram, labels_of

KEYS: Mapping[str, tuple[str, ...]] = {
    CLOSED: ("provider", "model", "route", "method", "client", "initiator_id"),
    "P": ("provider", "route", "method"),
    "B": ("provider", "endpoint", "model"),
    "K": ("provider",),
    "J": ("reason",),
}
"""What the key of a counter holds, by kind. ``O`` counts several things: see ``OWN``."""


@final
@dataclass(frozen=True, slots=True)
class Sum:
    """An attribute that becomes a counter.

    One that ends in ``:`` stands for all that begin so; what follows it, cut at ``|``, is the
    values of the labels ``named``. The sum is divided by ``unit``.
    """

    attribute: str
    family: Family
    named: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()
    unit: int = 1


@final
@dataclass(frozen=True, slots=True)
class Buckets:
    """Attributes ``<letter>0`` to ``<letter>7`` and ``<letter>s``, the sum in parts of ``unit``."""

    letter: str
    family: Family
    unit: int = 1


SUMS: Mapping[str, tuple[Sum, ...]] = {
    CLOSED: (
        Sum("c", catalogue.INTERCEPTIONS, fixed=(("status", "completed"),)),
        Sum("f", catalogue.INTERCEPTIONS, fixed=(("status", "failed"),)),
        Sum("p", catalogue.PROMPTS),
        Sum("t:", catalogue.TOKENS, ("type",)),
        Sum("j:", catalogue.INJECTED_TOOLS, ("server", "name")),
        Sum("n:", catalogue.TOOLS, ("name",)),
        Sum("um:", catalogue.USAGE_MISSING, ("reason",)),
        Sum("up:", catalogue.UNPRICED, ("provider_type",)),
        Sum("uc", catalogue.COST, unit=1_000_000),
    ),
    "P": (Sum("n", catalogue.PASSTHROUGH),),
    "B": (Sum("tr", catalogue.BREAKER_TRIPS), Sum("rj", catalogue.BREAKER_REJECTS)),
    "K": (
        Sum("r:", catalogue.KEY_TRANSITIONS, ("reason",)),
        Sum("x:", catalogue.KEY_EXHAUSTIONS, ("outcome",)),
    ),
    "J": (Sum("n", catalogue.REJECTED),),
}
BUCKETS: Mapping[str, tuple[Buckets, ...]] = {
    CLOSED: (
        Buckets("d", catalogue.DURATION, 1000),
        Buckets("b", catalogue.FIRST_BYTE, 1000),
        Buckets("k", catalogue.FAILOVERS),
    ),
    "P": (
        Buckets("d", catalogue.PASSTHROUGH_DURATION, 1000),
        Buckets("k", catalogue.FAILOVERS),
    ),
}
OWN: Mapping[str, tuple[Family, tuple[str, ...]]] = {
    "err": (catalogue.RECORDER_ERRORS, ("op",)),
    "spilled": (catalogue.SPILLED, ()),
    "orphans": (catalogue.ORPHANS, ()),
    "pub": (catalogue.PUBLISHER_ERRORS, ("stage",)),
}
"""Counters of kind ``O``: the first part of the key names the family, the rest its labels."""

Place = tuple[Family, Labels]


def folded(counters: Counters, names: Names) -> list[Series]:
    """Return the series of all counters, those of a histogram together."""
    sums: Counter[tuple[Place, int]] = Counter()
    counts: dict[tuple[Place, int], Counter[str]] = {}
    for (kind, key), amounts in counters.items():
        if kind == "O":
            _add_own(sums, key, amounts.get("n", 0))
            continue
        if kind not in KEYS:
            continue
        values = _values(KEYS[kind], key, names)
        for rule in SUMS.get(kind, ()):
            for matching, amount in _matching(rule, values, amounts, names):
                sums[(rule.family, _of(rule.family, matching)), rule.unit] += amount
        for buckets in BUCKETS.get(kind, ()):
            found = _bucket_amounts(buckets, amounts)
            if found:
                place = buckets.family, _of(buckets.family, values)
                counts.setdefault((place, buckets.unit), Counter()).update(found)
    series = [
        Series(family, labels, amount / unit) for ((family, labels), unit), amount in sums.items()
    ]
    for ((family, labels), unit), amounts in counts.items():
        by_bucket = [amounts[str(number)] for number in range(len(family.buckets) + 1)]
        series.extend(histogram(family, labels, by_bucket, amounts["s"] / unit))
    return series


def _add_own(sums: "Counter[tuple[Place, int]]", key: tuple[str, ...], amount: int) -> None:
    if key[0] in OWN:
        family, named = OWN[key[0]]
        sums[(family, labels_of(dict(zip(named, key[1:], strict=True)))), 1] += amount


def _values(named: tuple[str, ...], key: tuple[str, ...], names: Names) -> dict[str, str]:
    labels = dict(zip(named, key, strict=True))
    if "model" in labels:
        labels["model"] = names.model(labels["provider"], labels["model"])
    return labels


def _matching(
    rule: Sum, labels: Mapping[str, str], amounts: Mapping[str, int], names: Names
) -> Iterator[tuple[Mapping[str, str], int]]:
    """Yield the label values and the amount of each attribute that a rule is about."""
    fixed = dict(labels) | dict(rule.fixed)
    if not rule.named:
        if amounts.get(rule.attribute):
            yield fixed, amounts[rule.attribute]
        return
    for attribute, amount in amounts.items():
        if not amount or not attribute.startswith(rule.attribute):
            continue
        rest = attribute.removeprefix(rule.attribute).split("|", len(rule.named) - 1)
        values = dict(zip(rule.named, rest, strict=True))
        if rule.family is catalogue.TOOLS:
            values["name"] = names.tool(labels["provider"], values["name"])
        yield fixed | values, amount


def _bucket_amounts(buckets: Buckets, amounts: Mapping[str, int]) -> dict[str, int]:
    """Return the amounts by what follows the letter."""
    ends = (*(str(number) for number in range(len(buckets.family.buckets) + 1)), "s")
    found = {end: amounts.get(buckets.letter + end, 0) for end in ends}
    return found if any(found.values()) else {}


def _of(family: Family, values: Mapping[str, str]) -> Labels:
    return labels_of({name: values[name] for name in family.labels})


def in_order(series: Iterable[Series]) -> list[Series]:
    """Put series into the catalogue's order of families; those of one histogram stay together."""
    place = {family.name: number for number, family in enumerate(catalogue.FAMILIES)}
    return sorted(series, key=lambda each: (place[each.family.name], _without_bound(each)))


def _without_bound(series: Series) -> Labels:
    return tuple(pair for pair in series.labels if pair[0] != "le")
