"""Token counts: read from usage objects, brought to four disjoint counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

from aigateway.transcript.facts import Fact, TokenUsage
from aigateway.transcript.notebook import Notebook
from aigateway.wire.jsontext import JsonText

COUNT_LIMIT = 10**12
"""No answer has this many tokens: a report beyond it, or below zero, is refused as a whole."""

RAW_LIMIT_CHARACTERS = 64 * 1024

_EXTRAS_LIMIT = 48
_WORD_CHARACTERS = 128

Counts = Mapping[str, int | str]
"""Counts by our name for them, and words such as ``service_tier``; what was absent or null is
not in it."""


def count(value: object) -> int | None:
    """Read a number of tokens; ``None`` for what is none. A negative one is returned as it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= COUNT_LIMIT:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def word(value: object) -> str | None:
    """Read a short word such as a service tier."""
    return value[:_WORD_CHARACTERS] if isinstance(value, str) and value else None


def counts_of(usage: object, names: Mapping[tuple[str, ...], str]) -> dict[str, int | str]:
    """Read the members that ``names`` lists by their path, each under our name; first one wins."""
    found: dict[str, int | str] = {}
    for path, name in names.items():
        value = usage
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        read = word(value) if isinstance(value, str) else count(value)
        if read is not None:
            found.setdefault(name, read)
    return found


def numbers_within(value: object, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield every positive number inside ``value``, under its path joined with underscores."""
    pending = [(prefix, value)]
    left = _EXTRAS_LIMIT
    while pending and left:
        name, inner = pending.pop()
        number = count(inner)
        if isinstance(inner, dict):
            pending.extend(
                (f"{name}_{key[:_WORD_CHARACTERS]}", below)
                for key, below in list(inner.items())[:_EXTRAS_LIMIT]
            )
        elif number is not None and 0 < number <= COUNT_LIMIT:
            left -= 1
            yield name[:_WORD_CHARACTERS], number


@final
@dataclass(frozen=True, slots=True)
class Tally:
    """One answer's counts as the provider reported them, and the text it did so in.

    ``input`` is still the whole prompt where ``input_includes_cache`` says so.
    """

    counts: Counts
    raw: str
    input_includes_cache: bool

    def usage(self, notebook: Notebook, *, partial: bool) -> list[Fact]:
        """Make the fact; none, and a note, where a count cannot be true.

        An input smaller than the cached part of it becomes 0, with both numbers as notes.
        """
        numbers = [value for value in self.counts.values() if isinstance(value, int)]
        if any(not 0 <= number <= COUNT_LIMIT for number in numbers):
            notebook.note("usage_refused")
            return []
        read, written = self._number("cache_read"), self._number("cache_write")
        fresh = self._number("input")
        if self.input_includes_cache:
            if read + written > fresh:
                notebook.note("usage_clamped_input", fresh)
                notebook.note("usage_clamped_cached", read + written)
            fresh = max(0, fresh - read - written)
        usage = TokenUsage(
            response_id=notebook.response_id,
            input=fresh,
            output=self._number("output"),
            cache_read=read,
            cache_write=written,
            extra={name: kept for name, kept in self.counts.items() if kept and name not in _MAIN},
            model=notebook.model,
            raw=self.raw,
            partial=partial,
        )
        return [usage]

    def _number(self, name: str) -> int:
        value = self.counts.get(name)
        return value if isinstance(value, int) else 0


_MAIN = frozenset({"input", "output", "cache_read", "cache_write"})


def raw_usage(body: JsonText, *path: str | int) -> str:
    """Cut a usage object out of a body as the provider wrote it; an endless one becomes empty."""
    found = body.at(*path)
    text = "{}" if found is None else str(found)
    return text if len(text) <= RAW_LIMIT_CHARACTERS else "{}"
