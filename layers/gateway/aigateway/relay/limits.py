"""How many requests are served at once, and how many a key may send within a second."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from aigateway.clock import Clock
from aigateway.errors import AtCapacity, GatewayRateLimited
from aigateway.ledger.store import Rates
from aigateway.relay.asides import Asides

PATIENCE_SECONDS = 0.05
"""A store that takes longer to count lets the request pass."""


@final
class Limits:
    """Both limits are off at 0, and then cost nothing.

    ``concurrency`` is of this process: a function serves one request at a time, and its reserved
    concurrency is the limit of a deployment. ``per_second`` counts in the store, so for all
    gateways over it together.
    """

    def __init__(self, rates: Rates, clock: Clock, *, concurrency: int, per_second: int) -> None:
        self._rates = rates
        self._clock = clock
        self._concurrency = concurrency
        self._per_second = per_second
        self._serving = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for as long as a request is served. Raises ``AtCapacity``."""
        if 0 < self._concurrency <= self._serving:
            raise AtCapacity("the gateway serves as many requests as it may")
        self._serving += 1
        try:
            yield
        finally:
            self._serving -= 1

    async def count(self, key_id: str, asides: Asides) -> None:
        """Count a request of this key. Raises ``GatewayRateLimited``."""
        if not self._per_second:
            return
        counting = asyncio.create_task(self._rates.hit(key_id, int(self._clock.now().timestamp())))
        asides.keep(counting)
        await asyncio.wait({counting}, timeout=PATIENCE_SECONDS)
        is_counted = counting.done() and not counting.cancelled() and counting.exception() is None
        if is_counted and counting.result() > self._per_second:
            raise GatewayRateLimited(f"more than {self._per_second} requests of this key a second")
