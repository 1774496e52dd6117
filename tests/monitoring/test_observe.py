"""``aigw observe`` as real processes: figures and rules are there, and all of it ends."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from local.observe import PORTS, PROGRAMS
from tests.alert_rules import ALERTS
from tests.e2e.product import Product, running
from tests.monitoring.servers import Prometheus, answers, free_port, program

pytestmark = pytest.mark.prometheus
LOOK_SECONDS, PATIENCE_SECONDS = 0.05, 30


@contextmanager
def observed(home: Path) -> Iterator[tuple[Product, dict[str, str]]]:
    """Run it; give the product, and the addresses of what runs beside it."""
    for called in PROGRAMS.values():
        program(called[0])
    ports = {name: free_port() for name in PORTS}
    variables = {PORTS[name][0]: str(port) for name, port in ports.items()}
    with running(home, "observe", **variables) as product:
        yield product, {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def asked(url: str) -> Any:  # noqa: ANN401 - JSON of any shape
    with urlopen(url) as answer:  # noqa: S310 - loopback
        return json.load(answer)["data"]


def waits_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(LOOK_SECONDS)


def test_figures_and_alerts_are_there_and_everything_ends_with_it(tmp_path: Path) -> None:
    with observed(tmp_path) as (product, urls):
        address = urls["Prometheus"]
        prometheus = Prometheus(int(address.rpartition(":")[2]))
        waits_until(lambda: prometheus.ask("coder_ai_gateway_provider_info", time.time()))
        groups = asked(f"{address}/api/v1/rules")["groups"]
        loaded = [rule["name"] for group in groups for rule in group["rules"]]
        assert loaded == list(ALERTS)
        waits_until(lambda: asked(f"{address}/api/v1/alertmanagers")["activeAlertmanagers"])
        assert product.end() == 0
        assert not any(answers(f"{url}/-/ready") for url in urls.values())
    assert (tmp_path / "state" / "observe" / "prometheus").is_dir()


def test_nothing_is_left_when_it_is_killed(tmp_path: Path) -> None:
    with observed(tmp_path) as (product, urls):
        assert all(answers(f"{url}/-/ready") for url in urls.values())
        product.process.send_signal(signal.SIGKILL)
        waits_until(lambda: not any(answers(f"{url}/-/ready") for url in urls.values()))
