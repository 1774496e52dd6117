"""What happens to a request on its way, told to the store while the request goes on."""

from collections.abc import Mapping
from typing import Protocol, final

from aigateway.clock import Clock
from aigateway.ledger.store import Gauge, GaugeKind, Records, Totals
from aigateway.relay.asides import Asides
from aigateway.steps import Step


class Noting(Records, Totals, Protocol):
    """The two groups of the store that are told."""


@final
class Notices:
    """Those of one request; a store that does not answer costs them and nothing else."""

    def __init__(self, store: Noting, clock: Clock, asides: Asides) -> None:
        self._store = store
        self._clock = clock
        self._asides = asides

    def count(self, steps: tuple[Step, ...]) -> None:
        self._asides.start(self._store.count(steps))

    def set_gauge(self, kind: GaugeKind, key: tuple[str, ...], values: Mapping[str, int]) -> None:
        self._asides.start(self._store.set_gauge(Gauge(kind, key, values, self._clock.now())))
