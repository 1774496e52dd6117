"""The record comes first, survives, and says how things ended, whoever leaves or dies."""

import json
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.conftest import needs_stand_in
from tests.e2e.product import Product, children_of, running

ON_UVICORN = pytest.mark.parametrize("product", ["run"], indirect=True)
"""A Function URL tells nobody that a client has left."""

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


def closed(product: Product, known: Collection[str] = ()) -> dict[str, Any]:
    """Return the one new record, once it is closed."""

    def look() -> list[dict[str, Any]]:
        found = [i for i in interceptions(product) if i["id"] not in known]
        return [i for i in found if i["outcome"] is not None]

    (record,) = eventually(look)
    return dict(record)


def ids(product: Product) -> set[str]:
    return {record["id"] for record in interceptions(product)}


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Product]:
    with running(tmp_path) as product:
        yield product


@ON_UVICORN
def test_a_client_that_leaves_mid_stream_is_recorded_as_disconnected(product: Product) -> None:
    known = ids(product)
    product.reset_log()
    with raw_request(product, "messages", "stall;at=4") as client:
        hear(client, b"content_block_start")
    assert closed(product, known)["outcome"] == "client_disconnected"
    eventually(lambda: product.log()[0]["ended"] == "left")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_that_hangs_up_on_the_terminal_event_has_a_complete_answer(
    product: Product, dialect: str
) -> None:
    known = ids(product)
    with raw_request(product, dialect, "text=x") as client:
        hear(client, TERMINAL[dialect])
    assert closed(product, known)["outcome"] == "completed"


def test_a_client_that_leaves_while_its_body_is_coming_leaves_no_record(product: Product) -> None:
    known = ids(product)
    product.reset_log()
    with raw_request(product, "messages", "text=x", announce_more=10):
        pass
    product.post(PATHS["messages"], ask("messages", "the next one", stream=False))
    assert [p["prompt"] for p in closed(product, known)["user_prompts"]] == ["the next one"]
    assert len(product.log()) == 1


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


def test_what_was_recorded_is_there_after_a_kill_and_a_restart(
    tmp_path: Path, composition: str
) -> None:
    with running(tmp_path, composition) as product:
        reply = product.post(PATHS["chat"], ask("chat", "keep me", stream=True))
        before = product.record(reply)
        with raw_request(product, "messages", "stall;at=4") as client:
            hear(client, b"content_block_start")
            for pid in gateways(product):
                os.kill(pid, signal.SIGKILL)
            if product.on_lambda:
                assert product.end() == 0
            else:
                assert product.process.wait(30) == 1
                assert "gateway ended by itself" in rest_of(product)
    with running(tmp_path, composition) as product:
        assert product.record(reply) == before
        opened, _ = interceptions(product)
        assert opened["outcome"] is None
        assert [p["prompt"] for p in opened["user_prompts"]] == ["hello"]
        assert product.query("sessions").document["count"] == 1


def gateways(product: Product) -> list[int]:
    """Return the processes that serve requests."""
    gateway = product.child("gateway")
    return children_of(gateway) if product.on_lambda else [gateway]


def rest_of(product: Product) -> str:
    return product.process.stdout.read() if product.process.stdout else ""


@pytest.mark.parametrize("part", ["gateway", "local AWS stand-in"])
def test_a_part_that_dies_is_named_and_ends_the_others(tmp_path: Path, part: str) -> None:
    needs_stand_in()
    with running(tmp_path, "run-lambda") as product:
        pid = product.stand_in if part == "local AWS stand-in" else product.child(part)
        os.kill(pid, signal.SIGKILL)
        assert product.process.wait(30) == 1
        assert f"aigw: the {part} ended by itself" in rest_of(product)


@pytest.mark.ministack
def test_a_sandbox_that_begins_while_the_table_is_silent_refuses_and_heals(tmp_path: Path) -> None:
    needs_stand_in()
    with running(tmp_path, "run-lambda") as product:
        os.kill(product.stand_in, signal.SIGSTOP)
        try:
            refused = product.post(PATHS["messages"], ask("messages", "hello", stream=True))
        finally:
            os.kill(product.stand_in, signal.SIGCONT)
        assert refused.status == 503
        assert refused.header("x-ai-gateway-error") == "auth_unavailable"
        assert refused.header("retry-after") == "1"
        reply = product.post(PATHS["messages"], ask("messages", "again", stream=True))
        assert reply.status == 200
        assert [entry["complete"] for entry in product.log()] == [True]


def test_every_record_carries_its_expiry(alone: Product) -> None:
    assert alone.post(PATHS["chat"], ask("chat", "keep me", stream=True)).status == 200
    with sqlite3.connect(alone.state / "ledger.db") as ledger:
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


def test_a_taken_port_is_one_line_that_names_its_variable(tmp_path: Path, composition: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with (
            pytest.raises(AssertionError, match="set API_PORT"),
            running(tmp_path, composition, API_PORT=port),
        ):
            pass
