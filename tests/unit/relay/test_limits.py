"""How many requests at once, and how many of a key within a second."""

import asyncio

import pytest

from aigateway.errors import AtCapacity, GatewayRateLimited, RecorderUnavailable
from aigateway.relay.asides import Asides
from aigateway.relay.limits import Limits
from tests.builders import T0
from tests.clocks import HeldClock

KEY = "0123456789abcdef"


class Rates:
    """Counts in a dictionary, and waits at its gate."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, int], int] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.down = False

    async def hit(self, key_id: str, second: int) -> int:
        await self.gate.wait()
        if self.down:
            raise RecorderUnavailable("down")
        self.counts[key_id, second] = self.counts.get((key_id, second), 0) + 1
        return self.counts[key_id, second]


def limits(rates: Rates, clock: HeldClock | None = None, **changed: int) -> Limits:
    given = {"concurrency": 0, "per_second": 0} | changed
    return Limits(rates, clock or HeldClock(), **given)


async def test_without_a_limit_nothing_is_counted() -> None:
    rates = Rates()
    unlimited = limits(rates)
    for _ in range(100):
        await unlimited.count(KEY, Asides())
    assert rates.counts == {}
    with unlimited.place(), unlimited.place():
        pass


async def test_one_more_than_may_be_served_is_refused_until_a_place_is_free() -> None:
    two = limits(Rates(), concurrency=2)
    with two.place():
        with two.place(), pytest.raises(AtCapacity), two.place():
            pytest.fail("there were two places")
        with two.place():
            pass


async def test_a_place_is_free_again_however_the_request_ended() -> None:
    one = limits(Rates(), concurrency=1)
    for _ in range(3):
        with pytest.raises(RecorderUnavailable), one.place():
            raise RecorderUnavailable("down")


async def test_one_more_than_a_key_may_send_in_a_second_is_refused() -> None:
    rates, clock = Rates(), HeldClock()
    three = limits(rates, clock, per_second=3)
    for _ in range(3):
        await three.count(KEY, Asides())
    with pytest.raises(GatewayRateLimited) as raised:
        await three.count(KEY, Asides())
    assert raised.value.retry_after == 1
    await three.count("fedcba9876543210", Asides())
    clock.advance(1)
    await three.count(KEY, Asides())
    second = int(T0.timestamp())
    assert rates.counts == {
        (KEY, second): 4,
        ("fedcba9876543210", second): 1,
        (KEY, second + 1): 1,
    }


async def test_a_store_that_is_slow_lets_the_request_pass_and_still_counts_it() -> None:
    rates, asides = Rates(), Asides()
    one = limits(rates, per_second=1)
    rates.gate.clear()
    await one.count(KEY, asides)
    await one.count(KEY, asides)
    assert rates.counts == {}
    rates.gate.set()
    await asides.join()
    assert list(rates.counts.values()) == [2]


async def test_a_store_that_is_down_lets_the_request_pass() -> None:
    rates, asides = Rates(), Asides()
    rates.down = True
    await limits(rates, per_second=1).count(KEY, asides)
    await asides.join()
