"""Clients that send or read slowly, or not at all: they end, and hold nobody up meanwhile."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.product import Product, running
from tests.e2e.streams import resident_kb
from tests.hostile.answers import FIRST_EVENT
from tests.hostile.conftest import rows
from tests.hostile.heads import PLAIN, TOO_LARGE, post
from tests.hostile.provider import Provider
from tests.hostile.raw import (
    BODY,
    PATIENCE_SECONDS,
    Heard,
    posted,
    read_all,
    read_until,
    responses,
    sent,
)
from tests.hostile.records import record_of

REQUEST_SECONDS = 1.5
EXCHANGE_SECONDS = 3.0
LINGER_SECONDS = 5.0
DRIP_SECONDS = 0.05
SLOW = 20
GROWN_MB = 32
TAKEN_BYTES = 24 << 20
"""What the buffers of two connections in the kernel hold at most, and the gateway's own."""

KEPT = PLAIN.replace(b"Connection: close\r\n", b"")


@pytest.fixture(scope="module")
def hurried(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A gateway that gives little time."""
    limits = {
        "AIGW_REQUEST_TIMEOUT": f"{REQUEST_SECONDS}s",
        "AIGW_EXCHANGE_SECONDS": f"{EXCHANGE_SECONDS}s",
        "AIGW_PROVIDERS_JSON": rows(provider),
    }
    with running(tmp_path_factory.mktemp("home"), **limits) as product:
        yield product


@pytest.fixture
def port(hurried: Product, provider: Provider) -> int:
    provider.reset()
    return int(hurried.gateway.rpartition(":")[2])


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)


def dripped(port: int, begun: bytes, rest: bytes) -> list[Heard]:
    """Send the rest a byte at a time, until there is an answer; return what is said by the end."""
    with connected(port) as client:
        client.sendall(begun)
        client.settimeout(DRIP_SECONDS)
        for at in range(len(rest)):
            try:
                client.sendall(rest[at : at + 1])
                heard = client.recv(1)
            except TimeoutError:
                continue
            client.settimeout(PATIENCE_SECONDS)
            return read_all(client, heard=heard)
    raise AssertionError("it took all of it")


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (b"", posted(b"X-A: " + b"a" * 4000)),
        (posted()[:40], b"a" * 4000),
        (post(b"Content-Length: 4000", body=b""), b" " * 4000),
        (post(b"Transfer-Encoding: chunked", body=b"fff\r\n"), b" " * 4000),
    ],
    ids=["request", "head", "body", "chunk"],
)
def test_slow_senders_are_told_and_hold_nobody_up(
    port: int, provider: Provider, begun: bytes, rest: bytes
) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(SLOW) as pool:
        slow = [pool.submit(dripped, port, begun, rest) for _ in range(SLOW)]
        (served,) = sent(port, PLAIN)
        assert (served.status, served.body) == (200, b"{}")
        assert time.monotonic() - began < REQUEST_SECONDS, "they held it up"
        heard = [each.result() for each in slow]
    assert [[(each.status, each.code) for each in one] for one in heard] == [
        [(408, "request_timeout")]
    ] * SLOW
    assert [asked.body for asked in provider.asked] == [BODY]


def test_a_sender_that_goes_on_after_its_refusal_is_cut_off(port: int, provider: Provider) -> None:
    content = post(b"Content-Length: 99999999", body=b"").replace(b"Connection: close\r\n", b"")
    began = time.monotonic()
    with connected(port) as client:
        client.sendall(content)
        client.settimeout(DRIP_SECONDS)
        heard = b""
        while time.monotonic() - began < PATIENCE_SECONDS:
            try:
                client.sendall(b" ")
                piece = client.recv(65_536)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            heard += piece
            if not piece:
                break
    (refused,) = responses(heard)
    assert (refused.status, refused.code) == (413, "request_too_large")
    assert LINGER_SECONDS - 1 < time.monotonic() - began < LINGER_SECONDS + 5
    assert provider.asked == []


def test_a_refused_client_that_stays_is_let_go(hurried: Product, port: int) -> None:
    """It gets its answer once, and the gateway keeps nothing of it."""
    before = opened(hurried)
    with connected(port) as client:
        (heard,) = read_all(client, TOO_LARGE["a header without an end"])
        assert (heard.status, heard.code) == (431, "head_too_large")
        until = time.monotonic() + LINGER_SECONDS + PATIENCE_SECONDS
        while opened(hurried) > before:
            assert time.monotonic() < until, "its connection is kept for good"
            time.sleep(DRIP_SECONDS)


def opened(product: Product) -> int:
    """Return how many descriptors the gateway has open."""
    return len([*Path(f"/proc/{product.child('gateway')}/fd").iterdir()])


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", KEPT + b"\r\n"], ids=["nothing", "ends", "one"])
def test_a_connection_that_asks_nothing_is_closed(port: int, said: bytes) -> None:
    began = time.monotonic()
    with connected(port) as client:
        heard = read_all(client, said)
    assert [each.status for each in heard] == ([200] if said.startswith(b"POST") else [])
    assert time.monotonic() - began < REQUEST_SECONDS + 5


def test_a_late_follower_ends_no_answer_under_way(port: int, provider: Provider) -> None:
    """What has begun to arrive behind a request may be late, but for the answer before it."""
    provider.released.clear()
    asking = posted(b"x-answer: until released").replace(b"Connection: close\r\n", b"")
    with connected(port) as client:
        client.sendall(asking)
        begun = read_until(client, FIRST_EVENT)
        client.sendall(PLAIN[:30])
        client.settimeout(REQUEST_SECONDS + 0.5)
        with pytest.raises(TimeoutError):
            client.recv(1)
        provider.released.set()
        client.settimeout(PATIENCE_SECONDS)
        first, second = read_all(client, heard=begun)
    assert first.whole
    assert (second.status, second.code) == (408, "request_timeout")


async def test_a_client_that_reads_nothing_is_waited_for_and_given_up(
    hurried: Product, port: int, provider: Provider
) -> None:
    """The provider waits with it; the record is closed at the exchange's limit."""
    before = resident_kb(hurried.child("gateway"))
    with connected(port) as client:
        client.sendall(posted(b"x-answer: without end"))
        begun = read_until(client, FIRST_EVENT)
        own = client.getsockname()[1]
        until = time.monotonic() + EXCHANGE_SECONDS + LINGER_SECONDS + PATIENCE_SECONDS
        while is_held(port, own):
            assert time.monotonic() < until, "its connection is kept for good"
            (served,) = sent(port, PLAIN)
            assert served.status == 200
            assert provider.sent_bytes < TAKEN_BYTES
            assert resident_kb(hurried.child("gateway")) < before + GROWN_MB * 1024
    head, _, _ = begun.partition(b"\r\n\r\n")
    (heard,) = responses(head + b"\r\n\r\n")
    closed = (await record_of(hurried, heard)).closed
    assert closed is not None
    assert closed.outcome == "gateway_timeout"


def is_held(port: int, peer: int) -> bool:
    """Whether the kernel has a connection from ``peer`` at ``port``, of whatever state."""
    ends = (f":{port:04X}", f":{peer:04X}")
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    cells = (line.split() for line in lines)
    return any(cell[1].endswith(ends[0]) and cell[2].endswith(ends[1]) for cell in cells)
