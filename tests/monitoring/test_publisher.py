"""What the real Prometheus and Pushgateway hold after pushes."""

import logging
import subprocess
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from aigateway.clock import micros
from aigateway.errors import LedgerFault
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.providers import ProviderRow
from aigateway.reload.pool import Reload
from aigateway.reload.publish import Publisher
from aigateway.reload.publishing.assembly import publisher_of
from aigateway.settings import Settings
from aigateway.steps import rejected
from tests.breaking import Breaking
from tests.builders import a_closed, an_opened
from tests.clocks import HeldClock
from tests.monitoring.ledgers import traffic, truth
from tests.monitoring.servers import Prometheus, Pushgateway, program
from tests.reloads import a_reload
from tests.vaults import HeldVault

pytestmark = pytest.mark.prometheus
LOOPBACK = "127.0.0.0/8"
NEW, OLD = "coder_ai_gateway_", "coder_aibridged_"


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def instance() -> str:
    return f"stack-{uuid4().hex[:8]}"


def a_publisher(
    url: str,
    instance: str,
    clock: HeldClock,
    reload: Reload | None = None,
    *,
    sink: str = "REMOTE_WRITE",
    **more: str,
) -> Publisher:
    settings = Settings.from_env(
        {
            f"AIGW_PROM_{sink}_URL": url,
            "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK,
            "AIGW_METRICS_INSTANCE": instance,
            **more,
        }
    )
    return publisher_of(settings, clock, HeldVault(), reload or a_reload(clock))


def now(clock: HeldClock) -> float:
    return micros(clock.now()) / 1e6


def held(
    prometheus: Prometheus, instance: str, at: float, names: str = ".+"
) -> dict[object, float]:
    """Return what the server holds of an instance, without the labels that every series has."""
    found = prometheus.ask(f'{{__name__=~"{names}",instance="{instance}",job="ai-gateway"}}', at)
    return {
        tuple(pair for pair in labels if pair[0] not in ("instance", "job")): value
        for labels, value in found.items()
    }


async def test_what_prometheus_holds_are_the_counters_under_both_names(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    publisher = a_publisher(prometheus.write_url, instance, clock)
    for number in range(6):
        await traffic(store, number)
        assert await publisher.run(store) > 0
        found = held(prometheus, instance, now(clock))
        for prefix in (NEW, OLD):
            expected = truth(await store.counters(), prefix)
            assert len(expected) > 20
            assert {labels: found.get(labels) for labels in expected} == expected
        clock.advance(60)


async def test_no_series_is_published_that_the_counters_do_not_mean(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    await traffic(store, 3)
    await a_publisher(prometheus.write_url, instance, clock).run(store)
    counted = f"{NEW}.+(_total|_bucket|_sum|_count)"
    found = held(prometheus, instance, now(clock), counted)
    assert found == truth(await store.counters())


async def test_the_first_value_of_a_new_series_counts(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    publisher = a_publisher(prometheus.write_url, instance, clock)
    await publisher.run(store)
    began = now(clock)
    for number in range(4):
        clock.advance(60)
        await traffic(store, number)
        await publisher.run(store)
    at, of = now(clock), f'{{instance="{instance}"}}'
    for name in ("interceptions_total", "interceptions_duration_seconds_bucket", "tokens_total"):
        series = f"{NEW}{name}{of}"
        moved = prometheus.ask(
            f"sum(max_over_time({series}[1h]) - min_over_time({series}[1h]))", at
        )
        assert moved == prometheus.ask(f"sum({series})", at) != {}
    assert list(prometheus.ask(f"sum({NEW}interceptions_total{of})", began).values()) == [0.0]


async def test_a_table_with_a_past_does_not_show_it_as_one_minutes_work(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    await traffic(store, 3)
    publisher = a_publisher(prometheus.write_url, instance, clock)
    await publisher.run(store)
    clock.advance(60)
    await publisher.run(store)
    moved = prometheus.ask(
        f'sum(increase({NEW}interceptions_total{{instance="{instance}"}}[5m]))', now(clock)
    )
    assert list(moved.values()) == [0.0]


async def test_a_provider_has_one_status_at_a_time(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    document = {"name": "main", "type": "anthropic", "api_keys": []}
    await store.put_provider(ProviderRow("main", document, 1), None)
    await a_reload(clock).run(store)
    publisher = a_publisher(prometheus.write_url, instance, clock)
    await publisher.run(store)
    clock.advance(60)
    await store.put_provider(ProviderRow("main", document | {"enabled": False}, 2), 1)
    await a_reload(clock).run(store)
    await publisher.run(store)
    found = held(prometheus, instance, now(clock), f"({NEW}|{OLD})provider_info")
    assert sorted(dict(labels)["status"] for labels in found) == ["disabled", "disabled"]  # type: ignore[call-overload]  # pairs
    clock.advance(60)


async def test_row_68_a_removed_providers_series_ends_with_the_next_success(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    document = {"name": "main", "type": "anthropic", "api_keys": []}
    await store.put_provider(ProviderRow("main", document, 1), None)
    await a_reload(clock).run(store)
    publisher = a_publisher(prometheus.write_url, instance, clock)
    await publisher.run(store)
    info = f"({NEW}|{OLD})provider_info"
    assert len(held(prometheus, instance, now(clock), info)) == 2
    await store.put_provider(ProviderRow("main", document | {"deleted_at": "now"}, 2), 1)
    clock.advance(60)
    await publisher.run(store)
    assert len(held(prometheus, instance, now(clock), info)) == 2, "it was not reloaded yet"
    await a_reload(clock).run(store)
    clock.advance(60)
    await publisher.run(store)
    assert held(prometheus, instance, now(clock), info) == {}


async def test_what_is_in_flight_is_shown_and_ends(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    publisher = a_publisher(prometheus.write_url, instance, clock)
    opened = an_opened()
    await store.open(opened)
    await publisher.run(store)
    names = f"{NEW}interceptions_inflight"
    assert list(held(prometheus, instance, now(clock), names).values()) == [1.0]
    clock.advance(60)
    await store.close(opened, a_closed(opened), ())
    await publisher.run(store)
    assert held(prometheus, instance, now(clock), names) == {}


async def test_older_names_end_when_they_are_switched_off(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    await traffic(store, 3)
    await a_publisher(prometheus.write_url, instance, clock).run(store)
    assert held(prometheus, instance, now(clock), f"{OLD}.+")
    clock.advance(60)
    newer = a_publisher(prometheus.write_url, instance, clock, AIGW_LEGACY_METRIC_NAMES="false")
    await newer.run(store)
    assert held(prometheus, instance, now(clock), f"{OLD}.+") == {}
    found = held(prometheus, instance, now(clock), f"{NEW}.+")
    expected = truth(await store.counters())
    assert {labels: found.get(labels) for labels in expected} == expected


async def test_older_names_that_are_switched_on_again_show_no_past_as_one_minutes_work(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    await traffic(store, 3)
    for switch in ("false", "true", "true"):
        publisher = a_publisher(
            prometheus.write_url, instance, clock, AIGW_LEGACY_METRIC_NAMES=switch
        )
        await publisher.run(store)
        clock.advance(60)
    moved = f'increase({OLD}interceptions_total{{instance="{instance}"}}[5m])'
    assert set(prometheus.ask(moved, now(clock) - 60).values()) == {0.0}


async def test_one_bad_series_costs_no_other(
    store: SqliteStore,
    clock: HeldClock,
    prometheus: Prometheus,
    instance: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A sample from the future makes the next ones of its series out of order."""
    await traffic(store, 3)
    ahead = HeldClock()
    ahead.advance(120)
    other = SqliteStore(None)
    await other.start()
    await other.count(rejected("not_allowed"))
    await a_publisher(prometheus.write_url, instance, ahead).run(other)
    await other.stop()
    caplog.clear()
    publisher = a_publisher(prometheus.write_url, instance, clock)
    await publisher.run(store)
    found = held(prometheus, instance, now(clock))
    expected = truth(await store.counters())
    assert {labels: found.get(labels) for labels in expected} == expected
    assert "aigw_rejected_total" in caplog.text
    assert (await store.counters())["O", ("pub", "rejected")]["n"] > 0


async def test_row_67_an_alert_hears_of_a_reload_that_fails_while_the_table_is_away(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    """The attempts are known to the process alone; the success stays where it was."""
    reload = a_reload(clock)
    await reload.run(store)
    publisher = a_publisher(prometheus.write_url, instance, clock, reload)
    await publisher.run(store)
    broken = Breaking(Breaking(store, "note_attempt"), "take_lease")
    for _ in range(10):
        clock.advance(60)
        with pytest.raises(LedgerFault):
            await reload.run(broken)
        assert await publisher.run(broken) == 0
    of = f'{{instance="{instance}"}}'
    attempt, success = (
        f"{NEW}providers_last_reload_{w}timestamp_seconds" for w in ("", "success_")
    )
    alert = f"({attempt}{of} - on (instance) {success}{of}) > 300"
    assert list(prometheus.ask(alert, now(clock)).values()) == [600.0]
    pushed = prometheus.ask(f"aigw_publisher_last_push_timestamp_seconds{of}", now(clock))
    assert pushed == {}, "so the alert about a silent publisher can fire"


async def test_the_success_is_0_before_the_first(
    store: SqliteStore, clock: HeldClock, prometheus: Prometheus, instance: str
) -> None:
    await a_publisher(prometheus.write_url, instance, clock).run(store)
    name = f"{NEW}providers_last_reload_success_timestamp_seconds"
    assert list(held(prometheus, instance, now(clock), name).values()) == [0.0]


async def test_a_pushgateway_holds_the_same_and_forgets_what_is_gone(
    store: SqliteStore, clock: HeldClock, pushgateway: Pushgateway, instance: str
) -> None:
    document = {"name": "main", "type": "anthropic", "api_keys": []}
    publisher = a_publisher(pushgateway.address, instance, clock, sink="PUSHGATEWAY")
    for version, enabled in ((1, True), (2, False)):
        row = ProviderRow("main", document | {"enabled": enabled}, version)
        await store.put_provider(row, version - 1 or None)
        await a_reload(clock).run(store)
        await traffic(store, version)
        assert await publisher.run(store) > 0
        clock.advance(60)
    lines = [line for line in pushgateway.text().splitlines() if f'instance="{instance}"' in line]
    info = [line for line in lines if line.startswith(f"{NEW}provider_info{{")]
    assert len(info) == 1
    assert 'status="disabled"' in info[0]
    series = sum(1 for line in lines if line.startswith((NEW, OLD)))
    assert series >= 2 * len(truth(await store.counters()))


async def test_promtool_accepts_the_text_that_is_served(
    store: SqliteStore, clock: HeldClock
) -> None:
    for number in range(4):
        await traffic(store, number)
    settings = Settings.from_env({"AIGW_METRICS_ENDPOINT": "true"})
    await publisher_of(settings, clock, HeldVault(), a_reload(clock)).run(store)
    text = await store.publisher_text("TEXT")
    assert text is not None
    assert checked(text) == (0, b"", b"")


def test_both_ways_into_one_server_are_warned_about(
    clock: HeldClock, caplog: pytest.LogCaptureFixture
) -> None:
    other = "http://127.0.0.1:9091"
    with caplog.at_level(logging.WARNING):
        a_publisher(
            "http://127.0.0.1:9090/api/v1/write", "x", clock, AIGW_PROM_PUSHGATEWAY_URL=other
        )
    assert "twice" in caplog.text


def checked(text: bytes) -> tuple[int, bytes, bytes]:
    """Return what ``promtool check metrics`` says."""
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr
