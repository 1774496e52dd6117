"""Series: one value each, under a family's name and label values that cannot harm anybody."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Literal, final

from aigateway.steps import NAME_LIMIT_BYTES, cut_name
from aigateway.telemetry.catalogue import TWINS, Family

Labels = tuple[tuple[str, str], ...]
"""Sorted by name, without empty values: an empty value is an absent label to Prometheus."""
Part = Literal["", "_bucket", "_sum", "_count"]

HASH_BYTES = 8
SHORT = NAME_LIMIT_BYTES // 4
"""So many characters never have too many bytes."""
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
        """The labels with the name in front, as ``__name__``: what tells series apart.

        Sorted, because names of labels begin with a letter of lower case.
        """
        return (("__name__", self.name), *self.labels)

    @property
    def twin(self) -> "Series | None":
        """The same under the family's older name."""
        family = TWINS.get(self.family.name)
        return family and Series(family, self.labels, self.value, self.part)


def hash_of(identity: Labels) -> bytes:
    """Return eight bytes that stand for a series among a few hundred thousand."""
    text = "\0".join(chain.from_iterable(identity))
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def labels_of(values: Mapping[str, str]) -> Labels:
    """Return labels: values cut at 128 bytes, without control characters, empty ones left out."""
    return tuple([(name, clean) for name in sorted(values) if (clean := _clean(values[name]))])


def _clean(text: str) -> str:
    if len(text) <= SHORT and text.isprintable():
        return text
    return cut_name(_printed(text))


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
