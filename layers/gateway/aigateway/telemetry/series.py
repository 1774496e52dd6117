"""Series: one value each, under a family's name and label values that cannot harm anybody."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal, final

from aigateway.steps import cut_name
from aigateway.telemetry.catalogue import Family

Labels = tuple[tuple[str, str], ...]
"""Sorted by name, without empty values: an empty value is an absent label to Prometheus."""
Part = Literal["", "_bucket", "_sum", "_count"]

HASH_BYTES = 8
FIRST_PRINTED, DELETE = 0x20, 0x7F
EXACT_FLOAT = 2**53


@final
@dataclass(frozen=True, slots=True)
class Series:
    """``labels`` are without the name; ``part`` says which series of a histogram it is."""

    family: Family
    labels: Labels
    value: float
    part: Part = ""

    @property
    def name(self) -> str:
        return self.family.name + self.part

    @property
    def identity(self) -> Labels:
        """The labels with the name among them, as ``__name__``: what tells series apart."""
        return tuple(sorted((("__name__", self.name), *self.labels)))

    @property
    def twin(self) -> "Series | None":
        """The same under the family's older name."""
        family = self.family.twin
        return None if family is None else replace(self, family=family)


def hash_of(identity: Labels) -> bytes:
    """Return eight bytes that stand for a series among a few hundred thousand."""
    text = "\0".join(part for pair in identity for part in pair)
    return hashlib.sha256(text.encode()).digest()[:HASH_BYTES]


def labels_of(values: Mapping[str, str]) -> Labels:
    """Return labels: values cut at 128 bytes, without control characters, empty ones left out."""
    clean = {name: cut_name(_printed(value)) for name, value in values.items()}
    return tuple(sorted((name, value) for name, value in clean.items() if value))


def _printed(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c for c in text if ord(c) >= FIRST_PRINTED and not DELETE <= ord(c) <= 0x9F)  # noqa: PLR2004 - the end of the second control block


def histogram(
    family: Family, labels: Labels, counts: Sequence[int], total: float
) -> tuple[Series, ...]:
    """Return the series of a histogram from the counts of each bucket alone, the last one open."""
    bounds = (*(decimal(bound) for bound in family.buckets), "+Inf")
    sums = list(accumulate(counts))
    buckets = (
        Series(family, tuple(sorted((*labels, ("le", bound)))), float(amount), "_bucket")
        for bound, amount in zip(bounds, sums, strict=True)
    )
    return (
        *buckets,
        Series(family, labels, total, "_sum"),
        Series(family, labels, float(sums[-1]), "_count"),
    )


def decimal(value: float) -> str:
    """Write a number in the shortest way that reads back the same; whole ones without a point."""
    if value.is_integer() and abs(value) < EXACT_FLOAT:
        return str(int(value))
    return repr(value)
