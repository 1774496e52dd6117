"""A gateway serves, whatever is wrong with its tracing."""

import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from aigateway.ledger.sqlite import SqliteStore
from aigateway.relay.assembly import build
from aigateway.settings import Settings
from aigateway.telemetry.log_events import LogEvents
from local.in_process import call
from tests.reloads import HeldKeys


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    root = logging.getLogger()
    before = [*root.handlers]
    yield
    root.handlers[:] = before


async def probed(settings: Settings) -> int:
    app = build(settings, SqliteStore(None), HeldKeys())
    return (await call(app, "GET", "/healthz")).status


async def test_a_variable_that_the_library_cannot_read_costs_traces_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "planted")
    assert await probed(Settings(trace_enable=True, trace_backend="xray")) == 200
    assert "nothing is traced" in caplog.text
    assert "planted" not in caplog.text


@pytest.mark.parametrize("backend", ["otlp", "xray", "xray-sdk"])
@pytest.mark.parametrize("logs", [True, False])
async def test_lines_are_captured_where_that_is_wanted(backend: str, logs: bool) -> None:
    settings = Settings(trace_enable=True, trace_logs=logs, trace_backend=backend)
    assert await probed(settings) == 200
    found = [type(handler) for handler in logging.getLogger().handlers]
    assert found.count(LogEvents) == int(logs)


async def test_lines_alone_are_not_captured() -> None:
    assert await probed(Settings(trace_logs=True)) == 200
    assert LogEvents not in [type(handler) for handler in logging.getLogger().handlers]


async def test_connections_of_the_store_are_closed_when_it_is_stopped() -> None:
    order: list[str] = []

    class Links:
        async def aclose(self) -> None:
            order.append("links")

    said = iter(["startup", "shutdown"])

    async def receive() -> dict[str, str]:
        return {"type": f"lifespan.{next(said)}"}

    async def send(message: MutableMapping[str, Any]) -> None:
        order.append(message["type"])

    app = build(Settings(), SqliteStore(None), HeldKeys(), links=Links())
    await app({"type": "lifespan"}, receive, send)
    assert order == ["lifespan.startup.complete", "links", "lifespan.shutdown.complete"]
