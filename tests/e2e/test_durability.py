"""The record comes first, survives, and says how things ended, whoever leaves or dies."""

import json
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.product import Product, running

DIALECTS = ("messages", "chat", "responses")
TERMINAL = {"messages": b"message_stop", "chat": b"[DONE]", "responses": b"response.completed"}


@contextmanager
def raw_request(
    product: Product, dialect: str, wish: str, *, announce_more: int = 0
) -> Iterator[socket.socket]:
    """Send a streaming request by hand; ``announce_more``: bytes that will never come."""
    parts = urlsplit(product.gateway)
    body = json.dumps(ask(dialect, "hello", stream=True)).encode()
    head = (
        f"POST {PATHS[dialect]} HTTP/1.1\r\nHost: x\r\nx-fake: {wish}\r\n"
        f"Authorization: Bearer {product.key}\r\n"
        f"Content-Length: {len(body) + announce_more}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        client.sendall(head.encode() + body)
        yield client


def hear(client: socket.socket, until: bytes) -> bytes:
    heard = b""
    while until not in heard:
        chunk = client.recv(65_536)
        assert chunk, f"the stream ended before {until!r}"
        heard += chunk
    return heard


def interceptions(product: Product) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = product.query("interceptions?include=inflight").document[
        "results"
    ]
    return results


def eventually(look: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the look finds
    """Ask until there is an answer; every question is a round trip, so this never spins hot."""
    for _ in range(2_000):
        if found := look():
            return found
    raise AssertionError("it never came")


def closed(product: Product) -> dict[str, Any]:
    return dict(
        eventually(lambda: [i for i in interceptions(product) if i["outcome"] is not None])[0]
    )


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Product]:
    with running(tmp_path) as product:
        yield product


def test_a_client_that_leaves_mid_stream_is_recorded_as_disconnected(alone: Product) -> None:
    with raw_request(alone, "messages", "stall;at=4") as client:
        hear(client, b"content_block_start")
    assert closed(alone)["outcome"] == "client_disconnected"
    eventually(lambda: alone.log()[0]["ended"] == "left")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_that_hangs_up_on_the_terminal_event_has_a_complete_answer(
    alone: Product, dialect: str
) -> None:
    with raw_request(alone, dialect, "text=x") as client:
        hear(client, TERMINAL[dialect])
    assert closed(alone)["outcome"] == "completed"


def test_a_client_that_leaves_while_its_body_is_coming_leaves_no_record(alone: Product) -> None:
    with raw_request(alone, "messages", "text=x", announce_more=10):
        pass
    alone.post(PATHS["messages"], ask("messages", "the next one", stream=False))
    assert [p["prompt"] for i in interceptions(alone) for p in i["user_prompts"]] == [
        "the next one"
    ]
    assert len(alone.log()) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_i06_without_a_store_the_provider_never_sees_a_complete_request(
    alone: Product, dialect: str
) -> None:
    assert alone.post(PATHS[dialect], ask(dialect, "warm", stream=True)).status == 200
    alone.reset_log()
    with sqlite3.connect(alone.state / "ledger.db", isolation_level=None) as ledger:
        ledger.execute("BEGIN IMMEDIATE")
        reply = alone.post(PATHS[dialect], ask(dialect, "hello", stream=True))
        ledger.execute("ROLLBACK")
    assert reply.status == 503
    assert reply.header("x-ai-gateway-error") == "recorder_unavailable"
    assert reply.header("retry-after") == "1"
    kind = reply.document["error"]["type"]
    assert kind == ("api_error" if dialect == "messages" else "server_error")
    assert not any(entry["complete"] for entry in alone.log())
    assert len(interceptions(alone)) == 1


def test_the_opening_record_is_there_after_a_kill_of_the_gateway(tmp_path: Path) -> None:
    with running(tmp_path) as product:
        with raw_request(product, "messages", "stall;at=4") as client:
            hear(client, b"content_block_start")
            os.kill(product.child("gateway"), signal.SIGKILL)
            assert product.process.wait(30) == 1
        said = product.process.stdout.read() if product.process.stdout else ""
        assert "gateway" in said
    with running(tmp_path) as product:
        (record,) = interceptions(product)
        assert record["outcome"] is None
        assert [p["prompt"] for p in record["user_prompts"]] == ["hello"]


def test_records_survive_a_restart_and_every_one_carries_its_expiry(tmp_path: Path) -> None:
    with running(tmp_path) as product:
        reply = product.post(PATHS["chat"], ask("chat", "keep me", stream=True))
        before = product.record(reply)
        assert product.end() == 0
    with running(tmp_path) as product:
        assert product.record(reply) == before
        assert product.query("sessions").document["count"] == 1
    with sqlite3.connect(tmp_path / "state" / "ledger.db") as ledger:
        tables = [
            name
            for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if any(c[1] == "expires_at" for c in ledger.execute(f"PRAGMA table_info({name})"))
        ]
        assert {"interception", "payload", "session"} <= set(tables)
        for name in set(tables) - {"key"}:
            (missing,) = ledger.execute(
                f"SELECT COUNT(*) FROM {name} WHERE expires_at IS NULL"  # noqa: S608
            ).fetchone()
            assert missing == 0, name


def test_a_stop_closes_the_records_of_open_streams(tmp_path: Path) -> None:
    with running(tmp_path) as product, raw_request(product, "messages", "stall;at=4") as client:
        hear(client, b"content_block_start")
        assert product.end() == 0
    with running(tmp_path) as product:
        (record,) = interceptions(product)
        assert record["outcome"] == "gateway_timeout"


def test_a_dead_provider_is_a_502_in_the_dialects_shape(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    rows = [{"name": "gone", "type": "anthropic", "base_url": f"http://127.0.0.1:{port}"}]
    rows[0] |= {"api_keys": ["k-123456789"]}  # type: ignore[dict-item]
    with running(tmp_path, AIGW_PROVIDERS_JSON=json.dumps(rows)) as product:
        reply = product.post("/gone/v1/messages", ask("messages", "hello", stream=True))
        assert reply.status == 502
        assert reply.header("x-ai-gateway-error") == "upstream_unreachable"
        assert reply.document["error"]["type"] == "api_error"
        record = product.record(reply)
        assert (record["outcome"], record["error_type"]) == ("failed", "server_error")


def test_a_taken_port_is_one_line_that_names_its_variable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with (
            pytest.raises(AssertionError, match="set API_PORT"),
            running(tmp_path, API_PORT=port),
        ):
            pass
