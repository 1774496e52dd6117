"""The keys of one provider: which one a request takes, and which ones cool.

A pool is two keys or more. Each request takes the first one that does not cool. A key that the
provider refused cools: for as long as the answer said when it was limited (429), for a minute
when it was not accepted (401). Times are milliseconds since 1970, by the wall clock: a process
may be frozen in between. What one process learns is told to the others as a gauge.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Literal, final

from aigateway.clock import micros
from aigateway.pool.providers import Provider, SecretRef

RATE_LIMITED, UNAUTHORIZED = 429, 401
COOLING_STATUSES = frozenset({RATE_LIMITED, UNAUTHORIZED})
DEFAULT_MS = 60_000
LONGEST_MS = 3_600_000
NEWS_MS = 1_000
"""Requests that are refused together move a deadline by less; nobody needs to be told of that."""

STATUS = "#status"
"""Stands behind a key's id where a gauge says what the key was marked for."""

Marked = Literal["begun", "prolonged", "known"]


def is_pooled(provider: Provider) -> bool:
    """Tell whether a provider's keys take turns: a single key never cools."""
    return len(provider.credentials) > 1


def cooling_ms(status: int, retry_after: bytes | None, now_ms: int) -> int:
    """Return how long a key cools: an hour at most, a minute where nothing readable says it.

    ``retry_after`` is the header of a 429: seconds, or a date (RFC 9110 section 10.2.3).
    """
    if status != RATE_LIMITED or retry_after is None:
        return DEFAULT_MS
    said = retry_after.strip()
    if said.isdigit():
        return min(int(said[:9]) * 1000, LONGEST_MS)
    until_ms = _date_ms(said.decode("latin-1"))
    return DEFAULT_MS if until_ms is None else min(max(until_ms - now_ms, 0), LONGEST_MS)


def _date_ms(text: str) -> int | None:
    """Read a date of HTTP, the obsolete form without a zone included: all are in UTC."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to import, and rare

    try:
        date = parsedate_to_datetime(text)
        return micros(date if date.tzinfo else date.replace(tzinfo=UTC)) // 1000
    except (ValueError, OverflowError):
        return None


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """A key cools until then, for an answer of this status."""

    until_ms: int
    status: int


@final
class Keyring:
    """Which keys of one provider cool. Keys are known by their ids."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    def first(
        self, keys: Sequence[SecretRef], tried: Collection[str], now_ms: int
    ) -> SecretRef | None:
        """Return the first key that neither cools nor was tried."""
        for key in keys:
            if key.key_id not in tried and not self.cools(key.key_id, now_ms):
                return key
        return None

    def cools(self, key_id: str, now_ms: int) -> bool:
        """Tell whether a key cools. A deadline too far off is that of a clock gone wrong."""
        mark = self._marks.get(key_id)
        return mark is not None and now_ms < mark.until_ms <= now_ms + LONGEST_MS

    def mark(self, key_id: str, mark: Mark, now_ms: int) -> Marked:
        """Let a key cool; a later deadline that it has already stays."""
        known = self._marks.get(key_id)
        if known is None or not self.cools(key_id, now_ms):
            self._marks[key_id] = mark
            return "begun"
        if mark.until_ms <= known.until_ms:
            return "known"
        self._marks[key_id] = mark
        return "prolonged" if mark.until_ms - known.until_ms >= NEWS_MS else "known"

    def refusing(
        self, keys: Sequence[SecretRef], refused: Collection[str], now_ms: int
    ) -> tuple[Mark, ...]:
        """Return the marks of the keys that cool, and of those ``refused`` to this very request."""
        return tuple(
            self._marks[key.key_id]
            for key in keys
            if key.key_id in refused or self.cools(key.key_id, now_ms)
        )

    def told(self, key_id: str) -> Mapping[str, int]:
        """Return the mark of a key as values of a gauge."""
        mark = self._marks[key_id]
        return {key_id: mark.until_ms, key_id + STATUS: mark.status}

    def learn(self, values: Mapping[str, int], now_ms: int) -> None:
        """Take over what other processes told, but no deadline that is past or too far off."""
        for key_id, until_ms in values.items():
            if (key_id + STATUS) in values and now_ms < until_ms <= now_ms + LONGEST_MS:
                self.mark(key_id, Mark(until_ms, values[key_id + STATUS]), now_ms)


def shortest_wait_ms(marks: Collection[Mark], now_ms: int) -> int | None:
    """Return how long the first of the limited keys still cools; ``None`` where none is."""
    waits = [mark.until_ms - now_ms for mark in marks if mark.status == RATE_LIMITED]
    return max(min(waits), 0) if waits else None


@final
class Keyrings:
    """The keyrings of all providers, by name; they live as long as the process."""

    def __init__(self) -> None:
        self._rings: dict[str, Keyring] = {}

    def of(self, provider: str) -> Keyring:
        """Return the keyring of a provider, a new one at first."""
        return self._rings.setdefault(provider, Keyring())
