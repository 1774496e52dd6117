"""One request and the circuit breaker of what it asks for.

The breaker is asked before anything is sent. What counts against a provider: that it cannot be
reached or does not begin to answer, the statuses that say "too busy" or "too late", and the same
words in an error event of a stream, which ends it. A caller's own key says nothing when it is
limited or refused. A request that is stopped, or a stream that breaks off, gives no verdict.
"""

from typing import final

from aigateway.clock import Clock
from aigateway.errors import CircuitOpen, UpstreamTimeout, UpstreamUnreachable
from aigateway.interception import Closed
from aigateway.pool.breaker import Breaker, Scope
from aigateway.pool.breaker_settings import BreakerSettings
from aigateway.relay.notices import Notices
from aigateway.relay.upstream import Answer, KeysUsed, Upstream, UpstreamRequest
from aigateway.steps import circuit_rejected, circuit_tripped
from aigateway.transcript.facts import ErrorType

FAILURES = frozenset({429, 503, 504})
ANTHROPIC_FAILURES = FAILURES | {529}
OF_THE_KEY = frozenset({401, 429})
SUCCESSES = range(200, 300)
OWN_WORDS: frozenset[ErrorType] = frozenset({"rate_limited", "unauthorized"})
FAILED_WORDS: frozenset[ErrorType] = frozenset({"rate_limited", "overloaded", "timeout"})
LEVELS = {"closed": 0, "half_open": 1, "open": 2}


@final
class Guarded:
    """An ``Upstream`` for one request. ``is_own``: it goes with the caller's key."""

    def __init__(
        self,
        upstream: Upstream,
        breaker: Breaker,
        scope: Scope,
        settings: BreakerSettings,
        clock: Clock,
        notices: Notices,
        keys: KeysUsed,
        *,
        is_own: bool,
    ) -> None:
        self._upstream = upstream
        self._breaker = breaker
        self._scope = scope
        self._settings = settings
        self._clock = clock
        self._notices = notices
        self._keys = keys
        self._is_own = is_own
        self._era: int | None = None

    async def send(self, request: UpstreamRequest) -> Answer:
        """Raises ``CircuitOpen``, too."""
        self._enter()
        try:
            answer = await self._upstream.send(request)
        except (UpstreamUnreachable, UpstreamTimeout):
            self._judge(failed=True)
            raise
        except BaseException:
            self.left()
            raise
        if answer.head.status in SUCCESSES:
            answer.judge = self
        elif self._is_own and answer.head.status in OF_THE_KEY:
            self.left()
        else:
            anthropic = request.provider.runtime_type == "anthropic"
            failures = ANTHROPIC_FAILURES if anthropic else FAILURES
            self._judge(failed=answer.head.status in failures)
        return answer

    async def aclose(self) -> None:
        """Do nothing: the connections are not this request's."""

    def closed(self, closed: Closed) -> None:
        kind = closed.error_type
        if closed.outcome not in ("completed", "failed") or (self._is_own and kind in OWN_WORDS):
            self.left()
        else:
            self._judge(failed=kind in FAILED_WORDS)

    def left(self) -> None:
        if self._era is not None:
            self._breaker.left(self._era)
            self._era = None

    def _enter(self) -> None:
        before = self._breaker.state
        self._era = self._breaker.enter(self._settings, self._now)
        self._tell(before)
        if self._era is None:
            self._keys.hint, self._keys.secret, self._keys.tried = None, None, 0
            self._notices.count(circuit_rejected(self._scope))
            seconds = -(-self._settings.timeout_seconds // 1)
            raise CircuitOpen(f"provider {self._scope[0]} fails too often", int(seconds))

    def _judge(self, *, failed: bool) -> None:
        if self._era is None:
            return
        before = self._breaker.state
        verdict = self._breaker.failed if failed else self._breaker.succeeded
        verdict(self._era, self._now)
        self._era = None
        self._tell(before)

    def _tell(self, before: str) -> None:
        after = self._breaker.state
        if after == before:
            return
        self._notices.set_gauge("CB", self._scope, {"v": LEVELS[after]})
        if after == "open":
            self._notices.count(circuit_tripped(self._scope))

    @property
    def _now(self) -> float:
        return self._clock.now().timestamp()
