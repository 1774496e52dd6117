"""The counters and gauges, read back; what only a gateway knows, set."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from itertools import groupby

from aigateway.clock import from_micros, micros
from aigateway.ledger.sqlite.columns import bound
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.store import GAUGES_KEPT, CounterKey, Gauge, GaugeKind

COUNTERS = "SELECT kind, key, attribute, amount FROM counter"
SET_GAUGE = """
INSERT OR REPLACE INTO gauge (kind, key, name, value, set_at) VALUES (?, ?, ?, ?, ?)
"""
FORGET_GAUGES = "DELETE FROM gauge WHERE set_at < ?"
GAUGES = "SELECT * FROM gauge WHERE ?1 IS NULL OR kind = ?1 ORDER BY kind, key, name"


class SqliteTotals:
    """Reading the counters that closings move; gauges."""

    _database: Database

    async def counters(self) -> Mapping[CounterKey, Mapping[str, int]]:
        rows = await self._database.read(lambda c: c.execute(COUNTERS).fetchall())
        counters: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        for row in rows:
            counters[row["kind"], row["key"]][row["attribute"]] = row["amount"]
        return {(kind, tuple(json.loads(key))): found for (kind, key), found in counters.items()}

    async def set_gauge(self, gauge: Gauge) -> None:
        place, set_at = (gauge.kind, json.dumps(gauge.key)), micros(gauge.at)
        rows = [(*place, bound(name), value, set_at) for name, value in gauge.values.items()]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(SET_GAUGE, rows)
            connection.execute(FORGET_GAUGES, (micros(gauge.at - GAUGES_KEPT),))

        await self._database.write(work)

    async def gauges(self, kind: GaugeKind | None = None) -> tuple[Gauge, ...]:
        rows = await self._database.read(lambda c: c.execute(GAUGES, (kind,)).fetchall())
        grouped = groupby(rows, key=lambda row: (row["kind"], row["key"]))
        gauges = [_gauge(found, key, list(values)) for (found, key), values in grouped]
        return tuple(sorted(gauges, key=lambda gauge: (gauge.kind, gauge.key)))


def _gauge(kind: GaugeKind, key: str, rows: list[sqlite3.Row]) -> Gauge:
    values = {row["name"]: row["value"] for row in rows}
    set_at = from_micros(max(row["set_at"] for row in rows))
    return Gauge(kind, tuple(json.loads(key)), values, set_at)
