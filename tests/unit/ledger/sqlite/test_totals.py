"""What the embedded store does with gauges by itself: a table's items expire."""

from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Gauge
from tests.builders import at

DAY = 86_400


async def test_a_gauge_that_nobody_sets_for_a_day_is_forgotten_at_the_next_one() -> None:
    store = SqliteStore(None)
    await store.start()
    old = Gauge("CB", ("a", "/v1/messages", "m"), {"v": 2}, at(0))
    kept = Gauge("CB", ("b", "/v1/messages", "m"), {"v": 2}, at(1))
    for gauge in (old, kept):
        await store.set_gauge(gauge)
    await store.set_gauge(Gauge("KP", ("a",), {"k1": 5}, at(DAY + 1)))
    assert [gauge.key for gauge in await store.gauges()] == [kept.key, ("a",)]
    await store.stop()
