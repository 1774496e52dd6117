"""The counters that metrics are made of."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.items import COUNTER_SHARDS
from aigateway.ledger.moves import counter_of


class DynamoTotals(Ground):
    """Sums over all that was counted."""

    async def counters(self) -> Mapping[tuple[str, tuple[str, ...]], Mapping[str, int]]:
        parts = await asyncio.gather(
            *(self._table.all(Range(f"CTR#{part}")) for part in range(COUNTER_SHARDS))
        )
        totals: dict[tuple[str, tuple[str, ...]], Counter[str]] = {}
        for item in (item for items in parts for item in items):
            amounts = {name: value for name, value in item.items() if name not in ("pk", "sk")}
            totals.setdefault(counter_of(item["sk"]), Counter()).update(amounts)
        return totals
