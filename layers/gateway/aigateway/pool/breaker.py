"""Circuit breakers: a provider that fails again and again is left alone for a while.

    closed ──failures in a row──▶ open ──its time is over──▶ half-open ──all trials well──▶ closed
                                   ▲                            │
                                   └───── one trial fails ──────┘

While closed, failures are forgotten at every success, and whenever the interval is over. While
half-open, so many requests are let through as trials; one that ends without a verdict gives its
place back. Times are seconds since 1970, by the wall clock: a process may be frozen in between.
"""

from collections import OrderedDict
from typing import Literal, final

from aigateway.pool.breaker_settings import BreakerSettings

State = Literal["closed", "half_open", "open"]
Scope = tuple[str, str, str]
"""Provider, endpoint and model."""

MOST_BREAKERS = 1000
IDLE_SECONDS = 600.0


@final
class Breaker:
    """One circuit. What a request says is ignored once the state it began in is over."""

    def __init__(self) -> None:
        self.state: State = "closed"
        self.used_at = 0.0
        self._settings = BreakerSettings()
        self._era = 0
        self._since = 0.0
        self._failures = 0
        self._trials = 0
        self._successes = 0

    def enter(self, settings: BreakerSettings, now: float) -> int | None:
        """Let a request through, and return its era; ``None`` refuses it."""
        self._settings = settings
        if self.state == "open" and not self._lasts(settings.timeout_seconds, now):
            self._become("half_open", now)
        if self.state == "half_open":
            if self._trials >= settings.max_requests:
                return None
            self._trials += 1
        return None if self.state == "open" else self._era

    def succeeded(self, era: int, now: float) -> None:
        """Note that the provider served a request."""
        if era != self._era:
            return
        self._failures = 0
        self._successes += 1
        if self.state == "half_open" and self._successes >= self._settings.max_requests:
            self._become("closed", now)

    def failed(self, era: int, now: float) -> None:
        """Note that the provider could not serve a request."""
        if era != self._era:
            return
        if self.state == "closed" and not self._lasts(self._settings.interval_seconds, now):
            self._failures, self._since = 0, now
        self._failures += 1
        if self.state == "half_open" or self._failures >= self._settings.failure_threshold:
            self._become("open", now)

    def left(self, era: int) -> None:
        """Note that a request ended without a verdict."""
        if era == self._era and self.state == "half_open":
            self._trials -= 1

    def _lasts(self, seconds: float, now: float) -> bool:
        """Tell whether a time is still running; a clock that was set back ends it."""
        return 0 <= now - self._since < seconds

    def _become(self, state: State, now: float) -> None:
        self.state, self._since = state, now
        self._era += 1
        self._failures = self._trials = self._successes = 0


@final
class Breakers:
    """Those of one process. Unused ones are forgotten, the longest unused first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Scope, Breaker] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def at(self, scope: Scope, now: float) -> Breaker:
        """Return the breaker of a scope, a new one if it was not used for ten minutes."""
        while self._known:
            oldest = next(iter(self._known))
            if now - self._known[oldest].used_at < IDLE_SECONDS:
                break
            del self._known[oldest]
        breaker = self._known.pop(scope, None) or Breaker()
        if len(self._known) >= MOST_BREAKERS:
            self._known.popitem(last=False)
        breaker.used_at = now
        self._known[scope] = breaker
        return breaker
