"""The counters and gauges that metrics are made of."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.gauge_items import GAUGE_PARTITION, gauge_from, gauge_set
from aigateway.ledger.items import COUNTER_SHARDS, shard
from aigateway.ledger.listing import NameKind, Reach, Window, names_in, page_of_names
from aigateway.ledger.moves import counter_of, counter_partition
from aigateway.ledger.store import CounterKey, Gauge, GaugeKind
from aigateway.steps import CLOSED


class DynamoTotals(Ground):
    """Sums over all that was counted; gauges."""

    async def counters(self) -> Mapping[CounterKey, Mapping[str, int]]:
        parts = await asyncio.gather(
            *(self._table.all(Range(counter_partition(part))) for part in range(COUNTER_SHARDS))
        )
        totals: dict[CounterKey, Counter[str]] = {}
        for item in (item for items in parts for item in items):
            amounts = {name: value for name, value in item.items() if name not in ("pk", "sk")}
            totals.setdefault(counter_of(item["sk"]), Counter()).update(amounts)
        return totals

    async def set_gauge(self, gauge: Gauge) -> None:
        await self._table.update(gauge_set(gauge))

    async def gauges(self, kind: GaugeKind | None = None) -> tuple[Gauge, ...]:
        bounds = (None, None) if kind is None else (f"{kind}#", f"{kind}$")
        items = await self._table.all(Range(GAUGE_PARTITION, *bounds))
        return tuple(sorted(map(gauge_from, items), key=lambda gauge: (gauge.kind, gauge.key)))

    async def names(
        self, kind: NameKind, reach: Reach, window: Window, prefix: str
    ) -> tuple[str, ...]:
        """Read the keys of the counters: of all eight partitions, or an initiator's only one."""
        known = self._names.recalled(reach.initiator_id, window.now)
        if known is None:
            shards = list(range(COUNTER_SHARDS))
            if reach.initiator_id is not None:
                shards = [shard(reach.initiator_id, COUNTER_SHARDS)]
            ranges = [Range(counter_partition(n), f"{CLOSED}#", f"{CLOSED}$") for n in shards]
            parts = await asyncio.gather(*(self._table.all(each) for each in ranges))
            keys = {counter_of(item["sk"])[1] for items in parts for item in items}
            known = names_in(keys, reach.initiator_id)
            self._names.note(reach.initiator_id, window.now, known)
        return page_of_names(known[kind], prefix, window)
