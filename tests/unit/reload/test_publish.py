"""One tick of the publisher: what fails stops nothing else, and nobody loses a count."""

import gzip
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.errors import Conflict, RecorderUnavailable, UpstreamTimeout
from aigateway.ledger.sqlite import SqliteStore
from aigateway.outbound import Reply, Request
from aigateway.reload.publish import LEASE, Publisher, Sinks
from aigateway.reload.publishing.assembly import view_of
from aigateway.reload.publishing.fold import folded
from aigateway.reload.publishing.gather import moved
from aigateway.reload.publishing.names import Names
from aigateway.reload.publishing.push import RemoteWrite
from aigateway.reload.publishing.remote import Remote
from aigateway.reload.publishing.sinks import Pushgateway
from aigateway.reload.tick import Tick, tick_of
from aigateway.settings import Settings
from aigateway.steps import Step, rejected, steps_of_closing
from aigateway.telemetry import catalogue
from tests.breaking import Breaking
from tests.builders import a_closed, a_tool, a_usage, an_opened
from tests.clocks import HeldClock
from tests.reloads import a_reload

Key = tuple[str, tuple[str, ...]]


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


class Receiver:
    """Takes every remote write, or answers with ``status``."""

    def __init__(self, status: int = 204) -> None:
        self.status = status
        self.writes = 0

    async def write(self, body: bytes) -> int:
        self.writes += 1
        return self.status


async def at_once(seconds: float) -> None:
    """Pause as tests do: not at all."""


async def gone(request: Request, seconds: float) -> Reply:
    raise UpstreamTimeout("no answer within 10 s")


def a_publisher(
    clock: HeldClock,
    receiver: Receiver | None = None,
    *,
    sending: Any = None,  # noqa: ANN401 - what sends
) -> Publisher:
    remote = None
    if receiver is not None:
        remote = Remote(RemoteWrite(receiver, (), clock, at_once), "t", has_twins=True)
    pushgateway = Pushgateway("https://h.example", "i", sending) if sending else None
    sinks = Sinks(remote, pushgateway, has_endpoint=True)
    return Publisher(sinks, clock, view_of(Settings()), clock.now, has_twins=True)


async def text_of(store: SqliteStore) -> str:
    return (await store.publisher_text("TEXT") or b"").decode()


async def errors_of(store: SqliteStore) -> dict[str, int]:
    counters = await store.counters()
    return {key[1]: amounts["n"] for (kind, key), amounts in counters.items() if kind == "O"}


async def test_the_text_holds_the_counters_and_what_the_publisher_says_of_itself(
    store: SqliteStore,
) -> None:
    await store.count(rejected("not_allowed"))
    number = await a_publisher(HeldClock()).run(store)
    text = await text_of(store)
    assert 'aigw_rejected_total{reason="not_allowed"} 1\n' in text
    assert f"\naigw_publisher_series {number}\n" in text
    assert sum(1 for line in text.splitlines() if line[0] != "#") == number
    assert "\naigw_publisher_last_push_timestamp_seconds 1795521600\n" in text


async def test_another_publisher_at_work_is_left_alone(store: SqliteStore) -> None:
    clock, receiver = HeldClock(), Receiver()
    await store.take_lease("another", clock.now(), clock.now() + LEASE)
    assert await a_publisher(clock, receiver).run(store) == 0
    assert receiver.writes == 0
    assert await text_of(store) == ""


async def test_a_publisher_that_dies_is_succeeded_at_the_next_tick(store: SqliteStore) -> None:
    clock = HeldClock()
    with pytest.raises(ZeroDivisionError):
        await a_publisher(clock).run(Breaking(store, "counters", ZeroDivisionError("a bug")))
    assert await a_publisher(clock).run(store) == 0
    clock.advance(60)
    assert await a_publisher(clock).run(store) > 0


@pytest.mark.parametrize(
    ("sink", "stage"),
    [(Receiver(500), "remote_write"), (Receiver(401), "remote_write"), (None, "pushgateway")],
)
async def test_a_sink_that_fails_stops_no_other_and_is_counted(
    store: SqliteStore, sink: Receiver | None, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HeldClock()
    publisher = a_publisher(clock, sink, sending=None if sink else gone)
    assert await publisher.run(store) > 0
    assert "aigw_publisher_series" in await text_of(store)
    assert await errors_of(store) == {stage: 1}
    assert caplog.records[0].levelno == logging.ERROR
    clock.advance(60)
    await publisher.run(store)
    assert f'aigw_publisher_errors_total{{stage="{stage}"}} 1\n' in await text_of(store)


@pytest.mark.parametrize("verb", ["take_lease", "counters", "published", "gauges", "in_flight"])
async def test_a_store_that_cannot_be_read_costs_this_tick_and_is_counted_at_the_next(
    store: SqliteStore, verb: str
) -> None:
    clock, receiver = HeldClock(), Receiver()
    publisher = a_publisher(clock, receiver)
    assert await publisher.run(Breaking(store, verb)) == 0
    assert receiver.writes == 0, "a process that has seen nothing yet knows nothing"
    clock.advance(60)
    assert await publisher.run(store) > 0
    before = receiver.writes
    clock.advance(60)
    assert await publisher.run(Breaking(store, verb)) == 0
    assert receiver.writes == before + 1
    clock.advance(60)
    await publisher.run(store)
    assert await errors_of(store) == {"read": 2}


async def test_a_pushgateway_gets_everything_again_while_the_store_is_away(
    store: SqliteStore,
) -> None:
    put: list[Request] = []

    async def taking(request: Request, seconds: float) -> Reply:
        put.append(request)
        return Reply(200, {}, b"", 0.1)

    clock = HeldClock()
    await store.count(rejected("not_allowed"))
    publisher = a_publisher(clock, sending=taking)
    await publisher.run(store)
    clock.advance(60)
    await publisher.run(Breaking(store, "take_lease"))
    first, second = (gzip.decompress(each.body or b"").decode() for each in put)
    changed = {*second.splitlines()} - {*first.splitlines()}
    assert {line.partition(" ")[0] for line in changed} == {
        "coder_ai_gateway_providers_last_reload_timestamp_seconds",
        "coder_aibridged_providers_last_reload_timestamp_seconds",
    }


async def test_a_push_whose_note_is_not_taken_does_not_begin(store: SqliteStore) -> None:
    clock, receiver = HeldClock(), Receiver()
    publisher = a_publisher(clock, receiver)
    await publisher.run(Breaking(store, "note_state", Conflict("another has taken over")))
    assert receiver.writes == 0
    assert await errors_of(store) == {"lease": 1}


async def test_a_clock_that_went_back_skips_the_push_and_is_counted(store: SqliteStore) -> None:
    clock, receiver = HeldClock(), Receiver()
    publisher = a_publisher(clock, receiver)
    await publisher.run(store)
    writes = receiver.writes
    await publisher.run(store)
    assert receiver.writes == writes
    assert await errors_of(store) == {"clock": 1}


async def test_counts_of_failures_that_cannot_be_stored_are_kept(store: SqliteStore) -> None:
    clock = HeldClock()
    publisher = a_publisher(clock, Receiver(500))
    await publisher.run(Breaking(store, "count"))
    assert await errors_of(store) == {}
    clock.advance(60)
    await publisher.run(store)
    assert await errors_of(store) == {"remote_write": 2, "commit": 1}


async def test_a_refused_series_is_counted(store: SqliteStore) -> None:
    receiver = Receiver(400)
    await a_publisher(HeldClock(), receiver).run(store)
    rejected_series = (await errors_of(store))["rejected"]
    assert 0 < rejected_series < receiver.writes


async def test_invented_models_end_in_other_and_leave_no_counter(store: SqliteStore) -> None:
    for number in range(60):
        opened = an_opened(number, model=f"invented-{number:02}")
        closed = a_closed(opened, outcome="failed")
        await store.open(opened)
        await store.close(opened, closed, steps_of_closing(opened, closed))
    clock = HeldClock()
    publisher = a_publisher(clock)
    for shown, left in ((50, 11), (60, 1)):
        await publisher.run(store)
        text = await text_of(store)
        assert "invented" not in text
        assert (
            f'model="other",provider="anthropic",route="/v1/messages",status="failed"}} {shown}\n'
            in text
        )
        counters = await store.counters()
        assert sum(1 for kind, _ in counters if kind == "R") == left
        clock.advance(60)


async def test_a_move_that_fails_waits_for_another_tick(store: SqliteStore) -> None:
    opened = an_opened(model="invented")
    closed = a_closed(opened, a_usage(), a_tool(), outcome="failed")
    await store.open(opened)
    await store.close(opened, closed, steps_of_closing(opened, closed))
    clock = HeldClock()
    publisher = a_publisher(clock)
    await publisher.run(Breaking(store, "move_counter", RecorderUnavailable("busy")))
    assert "interceptions_total" not in await text_of(store)
    clock.advance(60)
    await publisher.run(store)
    assert 'status="failed"} 1\n' in await text_of(store)


class Ledger:
    """Counters in memory, with the one verb that moves them; some moves do not come about."""

    def __init__(self) -> None:
        self.counters: dict[Key, dict[str, int]] = {}

    def count(self, model: str, attribute: str) -> None:
        amounts = self.counters.setdefault(("R", ("p", model, "/r", "POST", "Zed", "u")), {})
        amounts[attribute] = amounts.get(attribute, 0) + 1

    async def move_counter(self, key: Key, into: Key) -> dict[str, int] | None:
        if key[1][1].endswith("x"):
            return None
        amounts = self.counters.pop(key)
        there = self.counters.setdefault(into, {})
        for name, amount in amounts.items():
            there[name] = there.get(name, 0) + amount
        return amounts


MODELS = some.sampled_from([f"m{number}{end}" for number in range(120) for end in ("", "x")])
EVENTS = some.lists(some.tuples(MODELS, some.sampled_from("cf")), max_size=80)


@given(some.lists(EVENTS, min_size=1, max_size=6), some.integers(0, 200))
async def test_no_total_ever_shrinks_and_in_the_end_every_request_is_shown(
    ticks: list[list[tuple[str, str]]], taken: int
) -> None:
    ledger: Any = Ledger()
    names = Names({"p": frozenset(f"taken{number}" for number in range(taken))}, {})
    before: dict[Any, float] = {}
    shown: dict[Any, float] = {}
    for events in ticks:
        for model, attribute in events:
            ledger.count(model, attribute)
        counters = {key: dict(amounts) for key, amounts in ledger.counters.items()}
        names = names.with_those_of(counters)
        visible = names.shown(await moved(ledger, counters, names))
        shown = {
            (each.name, each.labels): each.value
            for each in folded(visible, names)
            if each.family is catalogue.INTERCEPTIONS
        }
        assert {key: value for key, value in before.items() if shown.get(key, 0) < value} == {}
        before = shown
    total = sum(len(events) for events in ticks)
    waiting = sum(
        sum(amounts.values())
        for (_, key), amounts in ledger.counters.items()
        if not names.has_place("p", key[1]) and not names.is_full("p")
    )
    assert sum(shown.values()) == total - waiting
    assert len({labels for _, labels in shown}) <= 2 * 201


async def test_the_publisher_runs_last_and_not_for_a_change(store: SqliteStore) -> None:
    clock = HeldClock()
    ran: list[str] = []

    def part(name: str) -> Callable[[Any], Awaitable[int]]:
        async def run(_: object) -> int:
            ran.append(name)
            return 7

        return run

    tick = Tick(clock, a_reload(clock), {"first": part("first")}, {"publish": part("publish")})
    counted = await tick.run(store)
    assert [*counted] == ["first", "reload", "sweep", "parents", "purge", "publish"]
    assert counted["publish"] == 7
    assert "publish" not in await tick.run(store, only_reload=True)
    assert ran == ["first", "publish"]


def test_nothing_is_published_where_no_setting_says_where() -> None:
    assert tick_of(Settings(), HeldClock()).endings == ("erase",)
    assert tick_of(Settings(metrics_endpoint=True), HeldClock()).endings == ("erase", "publish")


async def test_a_failed_publisher_never_fails_the_reload(store: SqliteStore) -> None:
    clock = HeldClock()
    publisher = a_publisher(clock, Receiver(500))
    tick = Tick(clock, a_reload(clock), {}, {"publish": publisher.run})
    broken = Breaking(store, "in_flight")
    assert (await tick.run(broken))["reload"] == 1
    assert (await tick.run(store))["reload"] == 1


async def test_steps_of_the_publisher_are_counters_like_any_other(store: SqliteStore) -> None:
    await store.count((Step("O", ("err", "close"), "n", 2), Step("O", ("orphans",), "n", 3)))
    await a_publisher(HeldClock()).run(store)
    text = await text_of(store)
    assert 'aigw_recorder_errors_total{op="close"} 2\n' in text
    assert "aigw_orphans_closed_total 3\n" in text
