"""After ``make demo`` every query of every dashboard has something to show."""

import asyncio
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aigateway.clock import SystemClock, micros
from aigateway.ledger import open_store
from aigateway.reload.tick import tick_of
from aigateway.settings import Settings
from local.demo_others import drive_others
from tests.dashboards import PROMQL, Asked
from tests.e2e.product import Product, clean_environment, running
from tests.monitoring import servers
from tests.monitoring.servers import Prometheus
from tests.promql import selectors_of

pytestmark = pytest.mark.prometheus
QUIET = {
    "coder_ai_gateway_circuit_breaker_rejects_total",
    "coder_ai_gateway_circuit_breaker_state",
    "coder_ai_gateway_circuit_breaker_trips_total",
    "coder_ai_gateway_cost_control_blocked_requests_total",
    "coder_ai_gateway_cost_control_enforcement_duration_seconds_bucket",
    "coder_ai_gateway_injected_tool_invocations_total",
    "coder_ai_gateway_interceptions_inflight",
    "coder_ai_gateway_key_pool_exhaustions_total",
    "coder_ai_gateway_key_pool_state_transitions_total",
}
"""What does not move in a session in which nothing is wrong: no key fails, no budget is spent."""


def ticked(settings: Settings) -> float:
    """Publish as the schedule does; return the time afterwards."""

    async def once() -> None:
        store = open_store(settings)
        await store.start()
        try:
            await tick_of(settings, SystemClock()).run(store)
        finally:
            await store.stop()

    asyncio.run(once())
    return micros(SystemClock().now()) / 1e6


def demonstrated(product: Product, home: Path) -> None:
    port = urlsplit(product.gateway).port
    done = subprocess.run(
        [sys.executable, "-m", "cli", "demo"],
        cwd=home,
        env=clean_environment(home, {"GATEWAY_PORT": str(port)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, float]]:
    """A Prometheus with one tick before the demo and one after it, and the time of the latter.

    The gateway of the demo publishes nothing itself, so that the ticks are where they should be.
    """
    home = tmp_path_factory.mktemp("demo")
    with servers.prometheus(tmp_path_factory.mktemp("prometheus")) as prometheus:
        settings = Settings.from_env(
            {
                "AIGW_STATE_DIR": str(home / "state"),
                "AIGW_ALLOWED_PRIVATE_CIDRS": "127.0.0.0/8",
                "AIGW_PROM_REMOTE_WRITE_URL": prometheus.write_url,
            }
        )
        with running(home, AIGW_METRICS_ENDPOINT="false") as product:
            ticked(settings)
            demonstrated(product, home)
            at = ticked(settings)
            yield prometheus, at


@pytest.mark.parametrize("asked", PROMQL, ids=lambda asked: asked.name)
def test_a_query_returns_data_after_the_demo(asked: Asked, shown: tuple[Prometheus, float]) -> None:
    prometheus, at = shown
    values = prometheus.ask(asked.filled("5m"), at).values()
    assert all(math.isfinite(value) for value in values)
    names = {each.name for each in selectors_of(asked.expression)}
    is_quiet = names <= QUIET and " or vector(0)" not in asked.expression
    assert bool(values) is not is_quiet


def test_the_requests_of_other_clients_are_answered_as_they_are_meant(tmp_path: Path) -> None:
    with running(tmp_path) as product:
        assert drive_others(product.gateway, product.key) == [200, 200, 200, 200, 401]
