"""A gateway whose store is silent or damaged, over each store: it begins, serves on, and heals."""

import json
import zlib
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from aigateway.caller.keys import key_from, new_secret
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.expressions import Put
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import Store
from aigateway.pool.providers import ProviderRow
from aigateway.relay.assembly import App, build
from aigateway.relay.upstream import Answer, UpstreamRequest
from aigateway.settings import Settings
from aigateway.wire.messages import ResponseHead
from local.in_process import Answered, call
from tests.acceptance.words import message, messages, text
from tests.breaking import Outage
from tests.builders import a_user, at
from tests.clocks import HeldClock
from tests.reloads import HeldKeys, a_reload

BODY = json.dumps(messages("go")).encode()
ANSWER = json.dumps(message(text("ok"))).encode()


class Answering:
    async def send(self, request: UpstreamRequest) -> Answer:
        if request.released is not None:
            await request.released
        return Answer(ResponseHead(200, ((b"content-type", b"application/json"),)), self._chunks())

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        yield ANSWER

    async def aclose(self) -> None:
        return


class Gateway:
    """One gateway over ``store``, which has one provider and one member."""

    def __init__(self, app: App, clock: HeldClock, secret: str) -> None:
        self._app = app
        self._secret = secret
        self.clock = clock

    async def begin(self) -> list[str]:
        """Start as a host does; return what the gateway said."""
        waiting = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        said: list[str] = []

        async def receive() -> MutableMapping[str, Any]:
            return waiting.pop(0)

        async def send(sent: MutableMapping[str, Any]) -> None:
            said.append(sent["type"])
            if sent["type"] == "lifespan.startup.complete":
                raise StopAsyncIteration

        with pytest.raises(StopAsyncIteration):
            await self._app({"type": "lifespan"}, receive, send)
        return said

    async def ask(self) -> Answered:
        headers = {"authorization": f"Bearer {self._secret}"}
        return await call(self._app, "POST", "/main/v1/messages", (BODY,), headers)

    async def is_ready(self) -> bool:
        self.clock.advance(1)
        return (await call(self._app, "GET", "/readyz")).status == 200


async def a_gateway(store: Store, seen: Any = None) -> Gateway:  # noqa: ANN401 - a store, or one before it
    clock, user, secret = HeldClock(), a_user(), new_secret()
    await store.add_user(user)
    await store.put_key(key_from(secret, user.id, "test", at(0), at(86_400)))
    await change(store, 1)
    settings = Settings(snapshot_poll_seconds=0.0)
    return Gateway(build(settings, seen or store, HeldKeys(), clock, Answering()), clock, secret)


async def change(store: Store, version: int, **members: object) -> None:
    document = {"name": "main", "type": "anthropic", "base_url": "https://h.example"}
    row = ProviderRow(
        "main", document | {"api_keys": [{"id": "k1", "masked": "m"}]} | members, version
    )
    await store.put_provider(row, version - 1 or None)
    await a_reload(HeldClock()).run(store)


async def test_a_gateway_that_begins_while_the_table_is_unreadable_refuses_and_heals(
    store: Store,
) -> None:
    outage = Outage(store)
    gateway = await a_gateway(store, outage)
    outage.down = True
    assert await gateway.begin() == ["lifespan.startup.complete"]
    refused = await gateway.ask()
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.headers["x-ai-gateway-error"] == "auth_unavailable"
    assert not await gateway.is_ready()
    outage.down = False
    assert await gateway.is_ready()
    answered = await gateway.ask()
    assert (answered.status, answered.body) == (200, ANSWER)


async def test_a_pool_that_cannot_be_read_at_the_start_is_a_refusal_that_time_cures(
    store: Store,
) -> None:
    outage = Outage(store, "reload_state")
    gateway = await a_gateway(store, outage)
    outage.down = True
    await gateway.begin()
    refused = await gateway.ask()
    assert (refused.status, refused.headers["retry-after"]) == (503, "2")
    assert refused.headers["x-ai-gateway-error"] == "provider_config_unavailable"
    assert "x-should-retry" not in refused.headers
    outage.down = False
    assert (await gateway.ask()).status == 200


async def test_i14_an_old_pool_serves_without_limit_of_time(store: Store) -> None:
    outage = Outage(store, "reload_state", "published")
    gateway = await a_gateway(store, outage)
    await gateway.begin()
    outage.down = True
    await change(store, 2, enabled=False)
    for _ in range(3):
        gateway.clock.advance(7 * 3600)
        assert (await gateway.ask()).status == 200
    outage.down = False
    assert (await gateway.ask()).headers["x-ai-gateway-error"] == "provider_disabled"


async def damage(store: Store, document: bytes) -> None:
    """Write something else where the published document lies."""
    if isinstance(store, SqliteStore):
        await store._database.write(
            lambda c: c.execute("UPDATE snapshot SET document = ?", (document,)).rowcount
        )
        return
    assert isinstance(store, DynamoStore)
    state = await store.reload_state()
    key = {"pk": "SNAPDOC", "sk": f"{state.version:08}#{state.digest}#0000"}
    table = store._table
    item = await table.read((key["pk"], key["sk"]))
    assert item is not None
    if document:
        await table.put(Put(item | {"z": document}))
    else:
        await table.delete((key["pk"], key["sk"]))


@pytest.mark.parametrize(
    "document", [b"", b"{", b'{"providers": []}', zlib.compress(b'{"providers": []}')]
)
async def test_a_damaged_snapshot_leaves_the_old_pool_in_force_until_a_reload_heals_it(
    store: Store, document: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await a_gateway(store)
    assert (await gateway.ask()).status == 200
    await change(store, 2, enabled=False)
    await damage(store, document)
    assert (await gateway.ask()).status == 200
    assert any(text.startswith("snapshot unreadable: ") for text in caplog.messages)
    assert await gateway.is_ready()
    await a_reload(HeldClock()).run(store)
    assert (await gateway.ask()).headers["x-ai-gateway-error"] == "provider_disabled"
