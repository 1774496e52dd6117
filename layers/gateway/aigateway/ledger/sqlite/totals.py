"""The counters, read back."""

import json
from collections import defaultdict
from collections.abc import Mapping

from aigateway.ledger.sqlite.connection import Database

COUNTERS = "SELECT kind, key, attribute, amount FROM counter"


class SqliteTotals:
    """Reading the counters that closings move."""

    _database: Database

    async def counters(self) -> Mapping[tuple[str, tuple[str, ...]], Mapping[str, int]]:
        rows = await self._database.read(lambda c: c.execute(COUNTERS).fetchall())
        counters: dict[tuple[str, tuple[str, ...]], dict[str, int]] = defaultdict(dict)
        for row in rows:
            counters[row["kind"], tuple(json.loads(row["key"]))][row["attribute"]] = row["amount"]
        return dict(counters)
