"""A publisher that dies at any step, twice in a row if need be, and what Prometheus then holds.

Between the crashes there is traffic, gauges come and go. Whatever the step: the totals are right
after the next whole push, no counter ever begins anew, new series begin with a 0, and no gauge of
a lost push stays.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import product
from typing import Any, final
from uuid import uuid4

import pytest

from aigateway.addresses import Network
from aigateway.clock import micros
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.reload.publish import Publisher, Sinks
from aigateway.reload.publishing.assembly import remote_of, view_of
from aigateway.reload.publishing.sinks import Anonymous, HttpReceiver, sending
from aigateway.settings import Settings
from tests.builders import a_closed, an_opened
from tests.clocks import HeldClock
from tests.monitoring.ledgers import traffic, truth
from tests.monitoring.servers import Prometheus
from tests.peers import LOOPBACK

pytestmark = pytest.mark.prometheus
STEPS = ("take_lease", "note_state", "put_publisher_text", "end_lease", "write")
"""What changes something: verbs of the store, and a remote write."""
POINTS = 8
ALLOWED: tuple[Network, ...] = LOOPBACK


@final
class Killed(BaseException):
    """The process is gone: nobody catches this."""


@final
class Killing:
    """Kills at the ``at``-th step, before or after it is done; ``None`` only counts."""

    def __init__(self, at: int | None, *, before: bool = False) -> None:
        self._at = at
        self._before = before
        self.steps = 0

    async def step(self, work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - what the step returns
        self.steps += 1
        if self.steps == self._at and self._before:
            raise Killed
        done = await work()
        if self.steps == self._at:
            raise Killed
        return done

    def over(self, wrapped: Any) -> Any:  # noqa: ANN401 - a store or a receiver
        return Wrapped(wrapped, self)


@final
class Wrapped:
    """Stands before a store or a receiver; every step may be the last one."""

    def __init__(self, wrapped: Any, killing: Killing) -> None:  # noqa: ANN401 - likewise
        self._wrapped = wrapped
        self._killing = killing

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a verb
        verb = getattr(self._wrapped, name)
        if name not in STEPS:
            return verb
        return lambda *arguments: self._killing.step(lambda: verb(*arguments))


@final
class Stage:
    """One deployment with its store, and publishers that come and go."""

    def __init__(self, store: SqliteStore, prometheus: Prometheus) -> None:
        self.store = store
        self.prometheus = prometheus
        self.clock = HeldClock()
        self.instance = f"stack-{uuid4().hex[:8]}"
        self.began = 0.0
        self._round = 0

    async def push(self, killing: Killing) -> bool:
        """Let a new process publish once; return whether it lived."""
        url = self.prometheus.write_url
        receiver: Any = HttpReceiver(url, Anonymous(), sending(ALLOWED), "test")
        settings = Settings(metrics_instance=self.instance)
        remote = remote_of(settings, url, killing.over(receiver), self.clock)
        publisher = Publisher(
            Sinks(remote), self.clock, view_of(settings), lambda: None, has_twins=True
        )
        store: Store = killing.over(self.store)
        try:
            await publisher.run(store)
        except Killed:
            return False
        finally:
            self.clock.advance(60)
        return True

    async def live(self) -> None:
        """Some traffic, new names, and a request that is in flight until the next time."""
        await traffic(self.store, self._round)
        if self._round:
            before = an_opened(
                self._round - 1, model="m", route=f"/v{self._round - 1}", id=self.id(-1)
            )
            await self.store.close(before, a_closed(before), ())
        opened = an_opened(self._round, model="m", route=f"/v{self._round}", id=self.id(0))
        await self.store.open(opened)
        self._round += 1

    def id(self, back: int) -> str:
        return f"00000000-0000-7000-8000-{self._round + back:012}"

    def now(self) -> float:
        return micros(self.clock.now()) / 1e6 - 60

    async def check(self) -> None:
        await self._totals_are_right()
        of = f'{{__name__=~"coder_.+(_total|_bucket|_count)",instance="{self.instance}"}}'
        there = self.prometheus.ask(of, self.began)
        courses = self.prometheus.course(f"{of}[2h]", self.now())
        assert len(courses) > 100
        for labels, values in courses.items():
            assert values == sorted(values), f"begins anew: {labels}"
            assert values[0] == 0.0 or there.get(labels), f"does not begin with a 0: {labels}"
        gauge = f'coder_ai_gateway_interceptions_inflight{{instance="{self.instance}"}}'
        routes = [dict(labels)["route"] for labels in self.prometheus.ask(gauge, self.now())]
        assert routes == [f"/v{self._round - 1}"]

    async def _totals_are_right(self) -> None:
        at = self.now()
        found = {
            tuple(pair for pair in labels if pair[0] not in ("instance", "job")): value
            for labels, value in self.prometheus.ask(f'{{instance="{self.instance}"}}', at).items()
        }
        for prefix in ("coder_ai_gateway_", "coder_aibridged_"):
            expected = truth(await self.store.counters(), prefix)
            assert {labels: found.get(labels) for labels in expected} == expected


@pytest.fixture
async def stage(prometheus: Prometheus) -> AsyncIterator[Stage]:
    store = SqliteStore(None)
    await store.start()
    yield Stage(store, prometheus)
    await store.stop()


async def begin(stage: Stage) -> None:
    """Publish twice: there is a state, and a time at which new series can begin."""
    await stage.live()
    assert await stage.push(Killing(None))
    stage.began = stage.now()
    await stage.live()
    assert await stage.push(Killing(None))


async def test_the_points_are_all_the_steps_of_a_push(stage: Stage) -> None:
    await begin(stage)
    await stage.live()
    counted = Killing(None)
    assert await stage.push(counted)
    assert counted.steps == POINTS
    await stage.check()


@pytest.mark.parametrize("at", range(1, POINTS + 1))
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_publisher_that_dies_at_a_step_leaves_nothing_wrong(
    stage: Stage, at: int, before: bool
) -> None:
    await begin(stage)
    await stage.live()
    assert not await stage.push(Killing(at, before=before))
    await stage.live()
    assert await stage.push(Killing(None))
    await stage.check()


PAIRS = list(product(range(1, POINTS + 1), repeat=2))


@pytest.mark.parametrize("points", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
async def test_two_crashes_in_a_row_leave_nothing_wrong(
    stage: Stage, points: tuple[int, int]
) -> None:
    await begin(stage)
    for at in points:
        await stage.live()
        assert not await stage.push(Killing(at))
    await stage.live()
    assert await stage.push(Killing(None))
    await stage.live()
    assert await stage.push(Killing(None))
    await stage.check()


@pytest.mark.parametrize("at", range(1, POINTS + 1))
async def test_a_publisher_that_dies_in_its_very_first_push_leaves_nothing_wrong(
    stage: Stage, at: int
) -> None:
    await stage.live()
    await stage.push(Killing(at))
    stage.began = stage.now()
    await stage.live()
    assert await stage.push(Killing(None))
    await stage._totals_are_right()
