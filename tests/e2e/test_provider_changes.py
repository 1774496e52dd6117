"""Providers that are changed while they serve, in both compositions, with real processes."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import final

import pytest

from aigateway.clock import SystemClock
from aigateway.ledger import open_store
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.listing import Reach
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.pool.documents import split
from aigateway.pool.providers import Provider, ProviderRow
from aigateway.pool.secrets import open_secrets
from aigateway.reload.pool import reload_of
from aigateway.settings import Settings
from local.__main__ import LOOPBACK
from local.lambda_run import OWN
from tests.acceptance.words import STOP, block, delta, sse, start, text
from tests.e2e.front_client import Client, Got
from tests.e2e.product import Product
from tests.e2e.streams import ID, request
from tests.e2e.test_forbidden_addresses import HOSTS
from tests.peers import peer

PATH = "/moving/v1/messages"
KEY = "sk-planted-0123456789abcdef"
STREAM = sse(
    start({"input_tokens": 7, "output_tokens": 1}),
    *block(0, text("held ")),
    *block(1, text("and told")),
    delta({"output_tokens": 11}),
    STOP,
)
HALF = len(STREAM) // 2
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@final
@dataclass(slots=True)
class Configured:
    """Changes the one provider of these tests as the control plane and the reload do."""

    store: Store
    settings: Settings
    version: int = 0

    async def put(self, base_url: str, **members: object) -> None:
        given = {"name": "moving", "type": "anthropic", "base_url": base_url, "api_keys": [KEY]}
        found = split([given | members], self.settings.allowed_private_cidrs)
        await open_secrets(self.settings).put(found.keys)
        rows = {row.name: row.version for row in await self.store.provider_rows()}
        before = rows.get("moving")
        row = ProviderRow("moving", found.rows[0], (before or 0) + 1)
        await self.store.put_provider(row, before)
        await self.reload()

    async def reload(self) -> None:
        await reload_of(self.settings, SystemClock()).run(self.store)

    async def delete(self, *names: str) -> None:
        for name in names:
            if isinstance(self.store, SqliteStore):
                await self.store._database.write(partial(deleting, name))
            else:
                assert isinstance(self.store, DynamoStore)
                await self.store._table.delete(("PROV", name))
        await self.reload()


def deleting(name: str, connection: sqlite3.Connection) -> int:
    return connection.execute("DELETE FROM provider WHERE name = ?", (name,)).rowcount


@pytest.fixture
async def configured(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Configured]:
    """The product's own store and secrets, found by the variables that its start prints."""
    environment = {
        "AIGW_STATE_DIR": str(product.state),
        "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK,
    }
    if product.on_lambda:
        words = (word.partition("=") for word in product.lines[-1].split())
        printed = {name: value for name, _, value in words if name.startswith("AWS_")}
        for name, value in printed.items():
            monkeypatch.setenv(name, value)
        environment |= OWN
    settings = Settings.from_env(environment)
    store = open_store(settings)
    await store.start()
    made = Configured(store, settings)
    yield made
    await made.delete("moving")
    await store.stop()


@final
class Halved:
    """A provider that sends half of its answer, and the rest when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD + chunk(STREAM[:HALF]))
        await writer.drain()
        await self.let.wait()
        writer.write(chunk(STREAM[HALF:]) + chunk(b""))
        await writer.drain()
        await reader.read()


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def address(provider: Provider) -> str:
    return f"http://127.0.0.1:{provider.base_url.port}"


Change = Callable[[Configured, str, str], Awaitable[None]]


async def edited(configured: Configured, _: str, other: str) -> None:
    await configured.put(other)


async def disabled(configured: Configured, own: str, _: str) -> None:
    await configured.put(own, enabled=False)


async def deleted(configured: Configured, _: str, __: str) -> None:
    await configured.delete("moving")


async def broken(configured: Configured, own: str, _: str) -> None:
    await configured.put(own)
    (row,) = [row for row in await configured.store.provider_rows() if row.name == "moving"]
    await configured.store.put_provider(
        ProviderRow("moving", {**row.document, "base_url": "https://169.254.169.254"}, 99),
        row.version,
    )
    await configured.reload()


CHANGES: dict[str, tuple[Change, int, str | None]] = {
    "edited": (edited, 200, None),
    "disabled": (disabled, 503, "provider_disabled"),
    "deleted": (deleted, 404, "route_not_supported"),
    "broken": (broken, 503, "provider_error"),
}


def port_of(product: Product) -> int:
    return int(product.gateway.rpartition(":")[2])


async def asking(product: Product) -> Got:
    async with Client(port_of(product)) as client:
        return await client.ask("POST", PATH, *request(""))


@pytest.mark.parametrize("change", CHANGES)
async def test_a_stream_runs_on_while_its_provider_is_changed(
    product: Product, configured: Configured, change: str
) -> None:
    act, status, code = CHANGES[change]
    old, new = Halved(), Halved()
    new.let.set()
    async with peer(old) as first, peer(new) as second, Client(port_of(product)) as client:
        await configured.put(address(first))
        await client.send("POST", PATH, *request(""))
        running = await client.head()
        begun = await client.piece(running)
        await act(configured, address(first), address(second))
        after = await asking(product)
        assert (after.status, after.values("x-ai-gateway-error")) == (
            status,
            [code] if code else [],
        )
        assert after.body == STREAM or status != 200
        assert STREAM.startswith(begun)
        assert len(running.body) < len(STREAM)
        old.let.set()
        await client.rest(running)
    assert (running.status, running.whole, running.body) == (200, True, STREAM)
    row = await configured.store.interception(running.values(ID)[0], Reach(None), datetime.now(UTC))
    assert row is not None
    assert row.closed is not None
    assert row.closed.outcome == "completed"
    assert (len(old.requests), len(new.requests)) == (1, int(status == 200))
    key = f"x-api-key: {KEY}\r\n".encode()
    assert all(key in head.lower() for head in (*old.requests, *new.requests))


ALLOWED = {"127.0.0.1", "127.255.255.254", "[::1]"}
"""Loopback is allowed in both compositions, in its usual form; no other form of it is."""


async def test_no_forbidden_address_is_reached_by_the_real_processes(
    product: Product, configured: Configured
) -> None:
    hosts = {name: host for name, host in HOSTS.items() if host not in ALLOWED}
    names = {name: f"inside-{number}" for number, name in enumerate(hosts)}
    for name, host in hosts.items():
        row = {"name": names[name], "type": "anthropic", "base_url": f"https://{host}"}
        await configured.store.put_provider(ProviderRow(names[name], row, 1), None)
    await configured.reload()
    async with Client(port_of(product)) as client:
        for name in hosts:
            answered = await client.ask("POST", f"/{names[name]}/v1/messages", *request(""))
            code = answered.values("x-ai-gateway-error")
            assert (answered.status, code) == (503, ["provider_error"]), name
            assert answered.values("x-should-retry") == ["false"], name
    await configured.delete(*names.values())
