"""The catalogue of metrics and its documentation say the same."""

import re
from pathlib import Path

import pytest

from aigateway.reload.publishing import fold
from aigateway.steps import KEY_ATTEMPTS
from aigateway.telemetry import catalogue
from aigateway.telemetry.catalogue import EMF_METRICS, Family
from aigateway.telemetry.series import decimal

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
SECTIONS = {
    "Requests, providers and keys": catalogue.GATEWAY,
    "Budgets": catalogue.COST_CONTROL,
    "External proxy": catalogue.PROXY,
    "Ours": catalogue.OWN,
}
NAME = re.compile(r"[a-z]+(_[a-z]+)*")
UNITS = {"counter": ("_total",), "histogram": ("_seconds", "_attempts")}


def row(family: Family) -> str:
    """Return a family as the page shows it."""
    kind: str = family.kind
    if family.buckets:
        kind += " " + ", ".join(decimal(bound) for bound in family.buckets)
    labels = ", ".join(f"`{label}`" for label in family.labels) or "\N{EN DASH}"
    twin = f"`{family.legacy_name}`" if family.legacy_name else "\N{EN DASH}"
    return f"| `{family.name}` | {kind} | {labels} | {twin} | {family.help} |"


@pytest.mark.parametrize("title", SECTIONS)
def test_every_family_is_documented_as_it_is_and_nothing_else(title: str) -> None:
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [row(family) for family in SECTIONS[title]]


def test_the_families_are_those_that_dashboards_know() -> None:
    sections = (catalogue.GATEWAY, catalogue.COST_CONTROL, catalogue.PROXY)
    assert [len(section) for section in sections] == [18, 4, 7]
    twins = [f for f in catalogue.FAMILIES if f.legacy_name is not None]
    assert len(twins) == 25
    assert {*twins} == {*catalogue.GATEWAY, *catalogue.PROXY}
    names = [f.name for f in catalogue.FAMILIES] + [str(f.legacy_name) for f in twins]
    assert len(names) == len(set(names))


def test_names_and_labels_are_ones_that_prometheus_takes() -> None:
    for family in catalogue.FAMILIES:
        assert NAME.fullmatch(family.name)
        assert all(NAME.fullmatch(label) for label in family.labels)
        assert len(set(family.labels)) == len(family.labels)
        assert family.name.endswith(UNITS.get(family.kind, ("",)))
        assert family.help.endswith(".")
        assert list(family.buckets) == sorted(family.buckets)
        assert bool(family.buckets) == (family.kind == "histogram")


def test_every_rule_fills_the_labels_of_its_family() -> None:
    for kind, rules in fold.SUMS.items():
        for rule in rules:
            fixed = {name for name, _ in rule.fixed}
            assert {*rule.family.labels} <= {*fold.KEYS[kind], *rule.named, *fixed}
            assert rule.family.kind == "counter"
    for kind, buckets in fold.BUCKETS.items():
        for each in buckets:
            assert {*each.family.labels} <= {*fold.KEYS[kind]}
            assert len(each.family.buckets) == len(KEY_ATTEMPTS)
    for family, labels in fold.OWN.values():
        assert family.labels == labels


def test_every_metric_of_cloudwatch_is_documented_as_it_is_and_nothing_else() -> None:
    section = PAGE.split("\n## In CloudWatch\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    expected = []
    for each in EMF_METRICS:
        named = ", ".join(f"`{name}`" for name in each.dimensions)
        expected.append(f"| `{each.name}` | {each.unit} | {named} |")
    assert rows == expected
