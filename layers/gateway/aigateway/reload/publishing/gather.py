"""Everything that is published at a tick, read from the store."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from aigateway.errors import LedgerFault
from aigateway.ledger.store import Published, Store
from aigateway.reload.publishing.fold import folded
from aigateway.reload.publishing.gauges import (
    PoolView,
    breaker_series,
    in_flight_series,
    key_series,
    provider_series,
    reload_series,
)
from aigateway.reload.publishing.names import MOVED_A_TICK, Counters, Names, in_other
from aigateway.telemetry.series import Series

OPEN_COUNTED = 10_000
View = Callable[[Published | None], PoolView]

logger = logging.getLogger(__name__)


async def gathered(
    store: Store, now: datetime, view: View, attempted_at: datetime | None
) -> list[Series]:
    """Return the series of all families, without twins. Raises ``LedgerFault``.

    ``attempted_at``: when this process last tried to reload the pool.
    The names that take a place are stored before anybody sees them: a place is for good.
    """
    counters, text, published, reloaded, gauges, open_records = await asyncio.gather(
        store.counters(),
        store.publisher_text("NAMES"),
        store.published(),
        store.reload_state(),
        store.gauges(),
        store.in_flight(OPEN_COUNTED),
    )
    before = Names.read(text)
    names = before.with_those_of(counters)
    if names != before:
        await store.put_publisher_text("NAMES", names.written())
    shown = names.shown(await moved(store, counters, names))
    pool = view(published)
    return [
        *folded(shown, names),
        *provider_series(pool),
        *reload_series(reloaded, attempted_at),
        *in_flight_series(open_records, names),
        *breaker_series(gauges, names, now),
        *key_series(pool, gauges, now),
    ]


async def moved(store: Store, counters: Counters, names: Names) -> Counters:
    """Move some of the counters whose model has no place to ``other``, for good.

    One that cannot be moved now is moved at another tick.
    """
    totals = {key: dict(amounts) for key, amounts in counters.items()}
    for key in names.outside(counters)[:MOVED_A_TICK]:
        try:
            amounts = await store.move_counter(key, in_other(key))
        except LedgerFault as fault:
            logger.warning("a counter was not moved: %s", fault)
            break
        if amounts is not None:
            del totals[key]
            other = totals.setdefault(in_other(key), {})
            for name, amount in amounts.items():
                other[name] = other.get(name, 0) + amount
    return totals
