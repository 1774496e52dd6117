"""A disk that is full for everything that a gateway's process writes."""

import asyncio
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aigateway.clock import SystemClock
from aigateway.ledger.rows import Interception
from aigateway.ledger.sqlite import SqliteStore
from aigateway.reload.sweep import sweep
from tests.e2e.asks import PATHS, ask
from tests.e2e.product import Product, running
from tests.faults.site import LATER, end_of
from tests.recount import disagreement, rows_of


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("home")) as started:
        reply = started.post(PATHS["messages"], ask("messages", "warm", stream=True))
        assert reply.status == 200
        yield started


@contextmanager
def full(pid: int) -> Iterator[None]:
    """Let a process write no file further than its first byte."""
    usual = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, usual[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)


def swept(path: Path) -> list[Interception]:
    """Return all records once the sweep has been there, as long after as it takes."""

    async def run() -> list[Interception]:
        later = SystemClock().now() + LATER
        store = SqliteStore(path)
        await store.start()
        await sweep(store, later)
        found = await rows_of(store, later)
        assert await disagreement(store, later) == {}
        await store.stop()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("dialect", PATHS)
def test_a_full_disk_refuses_requests_until_there_is_room(product: Product, dialect: str) -> None:
    product.reset_log()
    with full(product.child("gateway")):
        reply = product.post(PATHS[dialect], ask(dialect, "hello", stream=True))
    assert (reply.status, reply.header("retry-after")) == (503, "1")
    assert reply.header("x-ai-gateway-error") == "recorder_unavailable"
    assert not any(entry["complete"] for entry in product.log())
    again = product.post(PATHS[dialect], ask(dialect, "hello again", stream=True))
    assert (again.status, again.whole) == (200, True)
    assert product.record(again)["outcome"] == "completed"


def test_a_disk_that_fills_up_in_a_stream_costs_the_answer_in_the_record(product: Product) -> None:
    """Nothing of it can be kept anywhere on that disk: the record says that it was abandoned."""
    parts, words = urlsplit(product.gateway), "into a full disk"
    body = json.dumps(ask("messages", words, stream=True)).encode()
    head = (
        f"POST {PATHS['messages']} HTTP/1.1\r\nHost: x\r\nx-fake: drip=100;events=20\r\n"
        f"Authorization: Bearer {product.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as client:
        client.sendall(head.encode() + body)
        heard = _heard(client, b"message_start")
        with full(product.child("gateway")):
            heard += _heard(client, b"\r\n0\r\n\r\n")
    assert b"message_stop" in heard
    (row,) = [row for row in swept(product.state / "ledger.db") if _asked(row) == words]
    assert end_of(row) == ("abandoned", "unknown")


def _asked(row: Interception) -> str | None:
    return row.opened.prompt and row.opened.prompt.text


def _heard(client: socket.socket, until: bytes) -> bytes:
    heard = b""
    while until not in heard:
        chunk = client.recv(65_536)
        assert chunk, f"the answer ended before {until!r}"
        heard += chunk
    return heard
