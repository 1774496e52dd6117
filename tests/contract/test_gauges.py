"""What a store promises about gauges: the last value of each name, until nobody sets it."""

from aigateway.ledger.store import Gauge, Store
from tests.builders import at

BREAKER = Gauge("CB", ("anthropic", "/v1/messages", "claude|4#5%"), {"v": 2}, at(1))
KEYS = Gauge("KP", ("anthropic",), {"at": 1_700_000_000_000, "at#status": 429}, at(2))


async def test_a_gauge_comes_back_as_it_was_set(store: Store) -> None:
    await store.set_gauge(KEYS)
    await store.set_gauge(BREAKER)
    assert await store.gauges() == (BREAKER, KEYS)
    assert await store.gauges("CB") == (BREAKER,)
    assert await store.gauges("KP") == (KEYS,)


async def test_a_store_without_gauges_has_none(store: Store) -> None:
    assert await store.gauges() == ()


async def test_a_value_is_replaced_and_the_others_stay(store: Store) -> None:
    await store.set_gauge(KEYS)
    await store.set_gauge(Gauge("KP", ("anthropic",), {"pk": 7, "at": 5}, at(3)))
    values = {"at": 5, "at#status": 429, "pk": 7}
    assert await store.gauges() == (Gauge("KP", ("anthropic",), values, at(3)),)


async def test_gauges_are_told_apart_by_kind_and_whole_key(store: Store) -> None:
    others = [Gauge("CB", ("a", "b", model), {"v": 1}, at(1)) for model in ("|m", "", "m|", "m")]
    for gauge in (*others, Gauge("KP", ("a",), {"k": 1}, at(1))):
        await store.set_gauge(gauge)
    found = await store.gauges()
    assert [(gauge.kind, gauge.key) for gauge in found] == [
        *(("CB", ("a", "b", model)) for model in ("", "m", "m|", "|m")),
        ("KP", ("a",)),
    ]


async def test_half_of_a_surrogate_pair_in_a_model_sets_a_gauge_all_the_same(store: Store) -> None:
    await store.set_gauge(Gauge("CB", ("a", "/v1/messages", "\ud83d"), {"v": 2}, at(1)))
    assert [gauge.values for gauge in await store.gauges()] == [{"v": 2}]


async def test_gauges_are_no_counters(store: Store) -> None:
    await store.set_gauge(BREAKER)
    assert await store.counters() == {}
