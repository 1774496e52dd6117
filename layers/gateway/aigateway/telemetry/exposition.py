"""Prometheus' text format, version 0.0.4, for a scrape and for a Pushgateway.

Source: prometheus.io, "Exposition formats". ``promtool check metrics`` wants a HELP for every
family; a Pushgateway refuses timestamps and a text without a line feed at its end.
"""

from collections.abc import Iterable
from itertools import groupby

from aigateway.telemetry.series import Labels, Series, decimal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(series: Iterable[Series]) -> str:
    """Return the text of series that come family by family, a histogram's in its own order.

    Empty without any series.
    """
    lines: list[str] = []
    known: dict[Labels, str] = {}
    for family, members in groupby(series, key=lambda each: each.family):
        lines.append(f"# HELP {family.name} {_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines.extend(_line(each, known) for each in members)
    return "".join(f"{line}\n" for line in lines)


def _line(series: Series, known: dict[Labels, str]) -> str:
    """Write a series; ``known`` are labels that were written before, of its twin for one."""
    labels = known.get(series.labels)
    if labels is None:
        labels = ",".join([f'{name}="{_value(value)}"' for name, value in series.labels])
        known[series.labels] = labels = f"{{{labels}}}" if labels else ""
    return f"{series.name}{labels} {decimal(series.value)}"


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _value(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
