"""Gauges as items of the table: one each, all in one partition, gone a day after their last set."""

from typing import Any, cast

from aigateway.clock import from_micros, micros
from aigateway.ledger.expressions import Item, Update
from aigateway.ledger.items import expiry
from aigateway.ledger.moves import decoded, encoded
from aigateway.ledger.store import GAUGES_KEPT, Gauge, GaugeKind

GAUGE_PARTITION = "GAUGE"
VALUE = "v:"
"""Stands before the name of each value: a key's id may be any word."""


def gauge_set(gauge: Gauge) -> Update:
    """Return what sets the named values of a gauge and leaves the others."""
    named: dict[str, Any] = {VALUE + name: value for name, value in gauge.values.items()}
    labels = "|".join(encoded(part) for part in gauge.key)
    dated = {"at": micros(gauge.at), **expiry(gauge.at + GAUGES_KEPT)}
    return Update(GAUGE_PARTITION, f"{gauge.kind}#{labels}", sets=named | dated)


def gauge_from(item: Item) -> Gauge:
    """Undo ``gauge_set``."""
    kind, labels = item["sk"].split("#")
    key = tuple(decoded(part) for part in labels.split("|"))
    named = {
        name.removeprefix(VALUE): value for name, value in item.items() if name.startswith(VALUE)
    }
    return Gauge(cast("GaugeKind", kind), key, named, from_micros(item["at"]))
