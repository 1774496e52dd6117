"""Reads PromQL as far as it says which families and labels an expression is about.

Whether an expression is one at all, promtool decides; what it is about, only the catalogue can.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from aigateway.telemetry.catalogue import FAMILIES

TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<range>\[[^\]]*\])
      | (?P<number>[0-9][0-9a-zA-Z.]*)
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^=<>(){},])
      | (?P<space>\s+)""",
    re.VERBOSE,
)
WORDS = frozenset({"and", "or", "unless", "offset", "bool"})
GROUPING = frozenset({"by", "without"})
MATCHING = frozenset({"on", "ignoring", "group_left", "group_right"})
OF_EVERY_SERIES = frozenset({"instance", "job"})
"""Labels that the publisher puts on every series."""

PARTS = ("_bucket", "_sum", "_count")
SERIES = {
    **{f.name: {*f.labels} | OF_EVERY_SERIES for f in FAMILIES if f.kind != "histogram"},
    **{
        f.name + part: {*f.labels, *(["le"] if part == "_bucket" else [])} | OF_EVERY_SERIES
        for f in FAMILIES
        if f.kind == "histogram"
        for part in PARTS
    },
}
"""Every name that a query may select, with the labels of its series. Legacy names are not in it."""


@final
@dataclass(frozen=True, slots=True)
class Selector:
    name: str
    labels: frozenset[str]


@final
@dataclass(frozen=True, slots=True)
class Grouping:
    """What an aggregation keeps or drops, and the names of the series below it."""

    labels: frozenset[str]
    names: frozenset[str]


Token = tuple[str, str]


def tokens_of(expression: str) -> list[Token]:
    """Raises ``ValueError`` at what no token begins with."""
    found: list[Token] = []
    at = 0
    while at < len(expression):
        token = TOKEN.match(expression, at)
        if token is None:
            raise ValueError(f"unreadable at {expression[at : at + 20]!r}")
        if token.lastgroup != "space":
            found.append((str(token.lastgroup), token.group()))
        at = token.end()
    return found


def selectors_of(expression: str) -> list[Selector]:
    """Return what an expression selects, in its order."""
    return [selector for _, selector in _selectors(tokens_of(expression))]


def groupings_of(expression: str) -> list[Grouping]:
    """Return its groupings; each stands before what it groups, as everywhere in this project."""
    tokens = tokens_of(expression)
    selectors = list(_selectors(tokens))
    found = []
    for at, token in enumerate(tokens):
        if token[0] == "name" and token[1] in GROUPING:
            end = _closing(tokens, at + 1)
            below = range(end + 1, _closing(tokens, end + 1))
            names = frozenset(each.name for place, each in selectors if place in below)
            found.append(Grouping(_names(tokens[at + 1 : end]), names))
    return found


def faults_of(expression: str) -> list[str]:
    """Return what an expression asks that the catalogue does not have."""
    selectors = selectors_of(expression)
    faults = [f"no series {each.name}" for each in selectors if each.name not in SERIES]
    if not selectors:
        faults.append("no series at all")
    known = [each for each in selectors if each.name in SERIES]
    asked = [(each.name, label) for each in known for label in each.labels]
    asked += [
        (name, label)
        for each in groupings_of(expression)
        for name in each.names & SERIES.keys()
        for label in each.labels
    ]
    return faults + [f"{name} has no {label}" for name, label in asked if label not in SERIES[name]]


def _selectors(tokens: list[Token]) -> Iterator[tuple[int, Selector]]:
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if kind != "name" or text in WORDS:
            at += 1
        elif text in GROUPING | MATCHING:
            at = _closing(tokens, at + 1) + 1
        elif following == "(" or (following in GROUPING):
            at += 1
        elif following == "{":
            end = next(place for place in range(at, len(tokens)) if tokens[place][1] == "}")
            yield at, Selector(text, _names(tokens[at + 2 : end]))
            at = end + 1
        else:
            yield at, Selector(text, frozenset())
            at += 1


def _closing(tokens: list[Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at][1], 0)
        if depth == 0:
            return at
    raise ValueError("a bracket is never closed")


def _names(tokens: list[Token]) -> frozenset[str]:
    return frozenset(text for kind, text in tokens if kind == "name")
