"""Which provider keys cool, as other processes found it out."""

from typing import final

from aigateway.clock import Clock, micros
from aigateway.ledger.store import Totals
from aigateway.pool.keyring import Keyrings, is_pooled
from aigateway.pool.snapshot import Snapshot


@final
class Cooldowns:
    """Fills the keyrings from what the store was told."""

    def __init__(self, totals: Totals, rings: Keyrings, clock: Clock) -> None:
        self._totals = totals
        self._rings = rings
        self._clock = clock

    async def look(self, snapshot: Snapshot) -> None:
        """Read the marks, if a provider has keys that take turns. Raises ``LedgerFault``."""
        pooled = {name for name, provider in snapshot.providers.items() if is_pooled(provider)}
        if not pooled:
            return
        gauges = await self._totals.gauges("KP")
        now_ms = micros(self._clock.now()) // 1000
        for gauge in gauges:
            if gauge.key[0] in pooled:
                self._rings.of(gauge.key[0]).learn(gauge.values, now_ms)
