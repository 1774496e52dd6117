"""A collector that is dead in one way or another costs two requests a second, and then none."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from aigateway.settings import Settings
from aigateway.telemetry.exports import DEADLINE_SECONDS
from aigateway.telemetry.tracing import open_tracing
from tests.clocks import HeldClock
from tests.unit.telemetry.traced import a_trace

GENEROUS = 2.5
"""Times the bound, for a machine that is busy with other tests."""

QUICK_SECONDS = 0.5
DRIP_SECONDS = 0.2
Peer = Callable[[socket.socket, threading.Event], None]


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def dripping(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(DRIP_SECONDS):
        connection.sendall(b"\0")


@contextmanager
def peer(behaves: Peer) -> Iterator[tuple[int, list[float]]]:
    """Listen; yield the port, and when connections came."""
    over, came = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    came.append(time.monotonic())
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                behaves(connection, over)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1], came
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def losses(port: int, monkeypatch: pytest.MonkeyPatch, clock: HeldClock) -> list[float]:
    """Send six traces to it; return how long each took."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    tracing = open_tracing(Settings(trace_enable=True), clock, {})
    took = []
    for number in range(6):
        if number == 5:
            clock.advance(61)
        began = time.monotonic()
        await tracing.send(a_trace())
        took.append(time.monotonic() - began)
    return took


async def test_a_collector_that_refuses_is_tried_twice_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    took = await losses(unused_port(), monkeypatch, HeldClock())
    assert max(took) < GENEROUS * DEADLINE_SECONDS
    assert max(took[2:5]) < QUICK_SECONDS


@pytest.mark.parametrize("behaves", [silent, dripping])
async def test_a_collector_that_never_finishes_is_left(
    monkeypatch: pytest.MonkeyPatch, behaves: Peer
) -> None:
    with peer(behaves) as (port, came):
        took = await losses(port, monkeypatch, HeldClock())
        assert max(took) < GENEROUS * DEADLINE_SECONDS
        assert max(took[2:5]) < QUICK_SECONDS
        assert sum(each > QUICK_SECONDS for each in took[:5]) in (1, 2)
        assert came
