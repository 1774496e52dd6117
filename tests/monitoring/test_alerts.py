"""Both alerts that everybody has, from the reload to a message about it, and to its end."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from aigateway.clock import SystemClock
from aigateway.errors import LedgerFault
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.providers import ProviderRow
from aigateway.reload.pool import Reload
from aigateway.reload.publish import Publisher
from aigateway.reload.publishing.assembly import publisher_of
from aigateway.settings import Settings
from tests.breaking import Breaking
from tests.clocks import HeldClock
from tests.monitoring.alerting import Alerting, alerting
from tests.reloads import HeldKeys, a_reload
from tests.vaults import HeldVault

pytestmark = pytest.mark.prometheus
OPENAI = {"name": "openai", "type": "openai", "api_keys": [{"id": "k1", "masked": "sk-...k1"}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerting]:
    with alerting(tmp_path_factory.mktemp("alerting")) as started:
        yield started


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    await made.put_provider(ProviderRow("openai", OPENAI, 1), None)
    yield made
    await made.stop()


@pytest.fixture
def clock() -> HeldClock:
    """What the reload goes by; the publisher and its Prometheus go by the true time."""
    return HeldClock()


@pytest.fixture
def instance() -> str:
    return f"stack-{uuid4().hex[:8]}"


def a_publisher(server: Alerting, reload: Reload, instance: str) -> Publisher:
    settings = Settings.from_env(
        {
            "AIGW_PROM_REMOTE_WRITE_URL": server.prometheus.write_url,
            "AIGW_ALLOWED_PRIVATE_CIDRS": "127.0.0.0/8",
            "AIGW_METRICS_INSTANCE": instance,
        }
    )
    return publisher_of(settings, SystemClock(), HeldVault(), reload)


async def test_a_provider_that_breaks_is_told_and_so_is_its_mending(
    server: Alerting, store: SqliteStore, clock: HeldClock, instance: str
) -> None:
    keys = HeldKeys()
    reload = a_reload(clock, keys)
    publisher = a_publisher(server, reload, instance)
    await reload.run(store)
    assert await publisher.run(store) > 0
    keys.missing.add("openai")
    await reload.run(store)
    assert await publisher.run(store) > 0
    told = server.hears("firing", "AIGatewayProviderNotEnabled")
    assert told == {
        "alertname": "AIGatewayProviderNotEnabled",
        "severity": "warning",
        "provider_name": "openai",
        "status": "error",
    }
    keys.missing.clear()
    await reload.run(store)
    assert await publisher.run(store) > 0
    assert server.hears("resolved", "AIGatewayProviderNotEnabled") == told


async def test_a_reload_that_fails_is_told_and_so_is_its_success(
    server: Alerting, store: SqliteStore, clock: HeldClock, instance: str
) -> None:
    reload = a_reload(clock)
    publisher = a_publisher(server, reload, instance)
    await reload.run(store)
    assert await publisher.run(store) > 0
    broken = Breaking(store, "provider_rows")
    for _ in range(6):
        clock.advance(60)
        with pytest.raises(LedgerFault):
            await reload.run(broken)
    assert await publisher.run(store) > 0
    told = server.hears("firing", "AIGatewayReloadFailing", instance=instance)
    assert told["severity"] == "critical"
    clock.advance(60)
    await reload.run(store)
    assert await publisher.run(store) > 0
    assert server.hears("resolved", "AIGatewayReloadFailing", instance=instance) == told


async def test_a_deployment_that_never_reloaded_is_told(
    server: Alerting, store: SqliteStore, clock: HeldClock, instance: str
) -> None:
    """The time of its success is published as 0, or there would be nothing to subtract."""
    reload = a_reload(clock)
    with pytest.raises(LedgerFault):
        await reload.run(Breaking(store, "provider_rows"))
    assert await a_publisher(server, reload, instance).run(store) > 0
    server.hears("firing", "AIGatewayReloadFailing", instance=instance)
