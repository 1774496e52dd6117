"""The one publisher of metrics: counters, snapshot and open records → series, once a tick.

Gateways live for minutes and never speak to Prometheus: what they count is added up in the
store, exact, and published from here under names that stay. A lease keeps two publishers from
telling two stories. What fails is logged and counted, and never fails the reload.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from aigateway.clock import Clock, micros
from aigateway.errors import Conflict, GatewayError, LedgerFault
from aigateway.ledger.store import Store
from aigateway.reload.publishing.fold import in_order
from aigateway.reload.publishing.gather import View, gathered
from aigateway.reload.publishing.gauges import seconds
from aigateway.reload.publishing.push import PushFailed
from aigateway.reload.publishing.remote import Remote
from aigateway.reload.publishing.sinks import Pushgateway
from aigateway.steps import Step
from aigateway.telemetry import catalogue
from aigateway.telemetry.exposition import exposition
from aigateway.telemetry.series import Series

LEASE = timedelta(seconds=50)
"""As long as the scheduled function may run: the next tick succeeds a publisher that is gone."""

WITHOUT_THE_STORE = (
    catalogue.PROVIDER_INFO,
    catalogue.RELOAD_ATTEMPT,
    catalogue.RELOAD_SUCCESS,
)
"""What a process can tell that cannot read the store. The time of the last push stands still."""

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True)
class Sinks:
    """Where figures go."""

    remote: Remote | None = None
    pushgateway: Pushgateway | None = None
    has_endpoint: bool = False


@final
class Publisher:
    """Lives as long as its process, and remembers what it saw for when the store is silent.

    ``view`` reads the published document, ``attempted_at`` says when this process last tried to
    reload the pool; ``has_twins`` shows series under older names, too.
    """

    def __init__(
        self,
        sinks: Sinks,
        clock: Clock,
        view: View,
        attempted_at: Callable[[], datetime | None],
        *,
        has_twins: bool,
    ) -> None:
        self._sinks = sinks
        self._clock = clock
        self._view = view
        self._attempted_at = attempted_at
        self._has_twins = has_twins
        self._owner = secrets.token_hex(8)
        self._seen: list[Series] = []
        self._errors: dict[str, int] = {}
        self._failures = 0
        self.went_well: bool | None = None

    async def run(self, store: Store) -> int:
        """Publish once; return the number of series, 0 where another publisher is at work.

        Afterwards ``went_well`` says whether all of it was; ``None``: another one is at work.
        """
        self._failures, number = 0, 0
        try:
            number = await self._run(store)
        except LedgerFault as fault:
            self._failed("read", fault)
            await self._publish_what_was_seen()
        self.went_well = self._failures == 0 if number or self._failures else None
        return number

    async def _run(self, store: Store) -> int:
        now = self._clock.now()
        noted = await store.take_lease(self._owner, now, now + LEASE)
        if noted is None:
            return 0
        attempted_at = self._attempted_at()
        series = await gathered(store, self._clock.now(), self._view, attempted_at)
        self._seen = in_order([*series, *self._own(series)])
        shown = self._shown(self._seen)
        text = exposition(shown)
        if self._sinks.has_endpoint:
            await self._tried("endpoint", store.put_publisher_text("TEXT", text.encode()))
        if self._sinks.pushgateway is not None:
            await self._tried("pushgateway", self._sinks.pushgateway.put(text))
        if self._sinks.remote is not None:
            await self._tried("remote_write", self._push(store, self._sinks.remote, noted))
        await self._tried("commit", self._settled(store))
        return len(shown)

    def _shown(self, series: Sequence[Series]) -> list[Series]:
        """Return the series, and those that have one a second time under the older name."""
        if not self._has_twins:
            return [*series]
        return [*series, *(twin for each in series if (twin := each.twin) is not None)]

    def _own(self, series: Sequence[Series]) -> tuple[Series, Series]:
        """Return what the publisher says of itself; the number counts these two as well."""
        number = len(self._shown(series)) + 2
        return (
            Series(catalogue.LAST_PUSH, (), seconds(self._clock.now())),
            Series(catalogue.PUBLISHED_SERIES, (), float(number)),
        )

    async def _push(self, store: Store, remote: Remote, noted: bytes) -> None:
        rejected = await remote.push(store, self._owner, noted, self._seen, self._now_ms())
        if rejected:
            self._count("rejected", rejected)

    async def _publish_what_was_seen(self) -> None:
        """Tell, without the store, that the reload is being tried: an alert hangs on that.

        A Pushgateway's group is replaced as a whole, so it gets everything again.
        """
        again, attempted_at = self._seen, self._attempted_at()
        if attempted_at is not None:
            tried = Series(catalogue.RELOAD_ATTEMPT, (), seconds(attempted_at))
            again = [tried if each.family is tried.family else each for each in again]
        if again and self._sinks.pushgateway is not None:
            text = exposition(self._shown(again))
            await self._tried("pushgateway", self._sinks.pushgateway.put(text))
        if again and self._sinks.remote is not None:
            lasting = [each for each in again if each.family in WITHOUT_THE_STORE]
            pushing = self._sinks.remote.push_unnoted(lasting, self._now_ms())
            await self._tried("remote_write", pushing)

    async def _settled(self, store: Store) -> None:
        """Count what failed, and let go of the lease."""
        failed, self._errors = self._errors, {}
        steps = tuple(Step("O", ("pub", stage), "n", n) for stage, n in failed.items())
        try:
            if steps:
                await store.count(steps)
        except LedgerFault:
            self._errors = failed
            raise
        await store.end_lease(self._owner)

    async def _tried(self, stage: str, work: Awaitable[object]) -> None:
        """Do a part that stops no other one."""
        try:
            await work
        except PushFailed as failed:
            self._failed(failed.stage, failed)
        except Conflict as lost:
            self._failed("lease", lost)
        except GatewayError as fault:
            self._failed(stage, fault)

    def _failed(self, stage: str, fault: GatewayError) -> None:
        logger.error("metrics were not published: %s: %s", stage, fault)
        self._count(stage, 1)

    def _count(self, stage: str, number: int) -> None:
        self._errors[stage] = self._errors.get(stage, 0) + number
        self._failures += number

    def _now_ms(self) -> int:
        return micros(self._clock.now()) // 1000
