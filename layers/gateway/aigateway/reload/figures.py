"""What CloudWatch is told at the end of each tick: the figures that its alarms hang on."""

from datetime import UTC, datetime
from typing import Protocol, final

from aigateway.errors import LedgerFault
from aigateway.ledger.store import Store
from aigateway.reload.pool import Remembered
from aigateway.telemetry.journal import EmfName, Journal

OPEN_COUNTED = 10_000
NEVER = datetime.fromtimestamp(0, UTC)


class Reloading(Protocol):
    """What there is to know of this process's own reloads."""

    @property
    def remembered(self) -> Remembered: ...


class Publishing(Protocol):
    """Whether the last run went well; ``None``: another publisher is at work."""

    @property
    def went_well(self) -> bool | None: ...


@final
class Figures:
    """What is not known is left out: an alarm then stays as it is, or says that it is silent."""

    def __init__(
        self, journal: Journal, reload: Reloading, publisher: Publishing | None = None
    ) -> None:
        self._journal = journal
        self._reload = reload
        self._publisher = publisher

    async def tell(self, store: Store) -> int:
        """Tell them; return how many providers are not enabled."""
        remembered = self._reload.remembered
        figures: dict[EmfName, float] = {"ReloadAttempts": 1}
        failing = 0
        if remembered.succeeded_at is not None:
            for name, outcome in remembered.outcomes.items():
                fails = outcome.status != "enabled"
                failing += fails
                self._journal.ticked({"ProviderNotEnabled": int(fails)}, name)
            figures["ProvidersNotEnabled"] = failing
        age = await self._age(store)
        if age is not None:
            figures["ReloadSuccessAgeSeconds"] = age
        if self._publisher is not None and self._publisher.went_well is not None:
            figures["PublisherOk"] = int(self._publisher.went_well)
        try:
            figures["Inflight"] = sum((await store.in_flight(OPEN_COUNTED)).values())
        finally:
            self._journal.ticked(figures)
        return failing

    async def _age(self, store: Store) -> float | None:
        """Return the seconds from the last success to this attempt, as far as anybody knows."""
        attempted_at = self._reload.remembered.attempted_at
        succeeded_at = self._reload.remembered.succeeded_at
        try:
            state = await store.reload_state()
        except LedgerFault:
            if succeeded_at is None:
                return None
        else:
            known = [at for at in (succeeded_at, state.succeeded_at) if at is not None]
            succeeded_at = max(known, default=NEVER)
        if attempted_at is None:
            return None
        return max((attempted_at - succeeded_at).total_seconds(), 0.0)
