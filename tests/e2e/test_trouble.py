"""Several keys and a circuit breaker, with real processes and connections, as both compositions."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.asks import ask
from tests.e2e.front_client import Client
from tests.e2e.front_client import ask as ask_at
from tests.e2e.product import Product, Reply, running
from tests.e2e.streams import request

KEYS = ["sk-made-up-pool-one", "sk-made-up-pool-two", "sk-made-up-pool-three"]
POOLED = ("streaming", "blocking", "limited", "revoked", "shared")
BREAKER = {"enabled": True, "failure_threshold": 2, "timeout_s": 0.2, "max_requests": 1}


@pytest.fixture(scope="module")
def in_trouble(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """The product with three keys for one provider, and a breaker for another one."""
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    plain = {"type": "anthropic", "base_url": f"http://127.0.0.1:{port}"}
    rows: list[dict[str, Any]] = [plain | {"name": name, "api_keys": KEYS} for name in POOLED]
    rows.append(plain | {"name": "guarded", "api_keys": KEYS[:1], "circuit_breaker": BREAKER})
    more = {"AIGW_PROVIDERS_JSON": json.dumps(rows), "PROVIDER_PORT": str(port)}
    with running(tmp_path_factory.mktemp("home"), request.param, **more) as product:
        yield product


BOTH = pytest.mark.parametrize(
    "in_trouble",
    ["run", pytest.param("run-lambda", marks=pytest.mark.ministack)],
    indirect=True,
    scope="module",
)
ON_LAMBDA = pytest.mark.parametrize(
    "in_trouble",
    [pytest.param("run-lambda", marks=pytest.mark.ministack)],
    indirect=True,
    scope="module",
)


def asked(product: Product, name: str, wish: str, *, stream: bool = True) -> Reply:
    body = ask("messages", "hello", stream=stream)
    return product.post(f"/{name}/v1/messages", body, {"x-fake": wish})


def tried(product: Product) -> list[str]:
    """Return the keys of all requests that the provider saw, by their last word."""
    keys = (dict(entry["headers"])["x-api-key"] for entry in product.log())
    return [key.rpartition("-")[2] for key in keys]


@BOTH
@pytest.mark.parametrize("name", ["streaming", "blocking"])
def test_three_keys_one_limited_one_revoked_make_one_clean_answer(
    in_trouble: Product, name: str
) -> None:
    in_trouble.reset_log()
    wish = "keys=one:429:30,two:401;text=fine"
    reply = asked(in_trouble, name, wish, stream=name == "streaming")
    assert tried(in_trouble) == ["one", "two", "three"]
    *_, last = in_trouble.log()
    assert (reply.status, reply.whole) == (200, True)
    assert reply.sha256 == last["response_sha256"]
    assert reply.header("retry-after") is None
    record = in_trouble.record(reply)
    assert (record["outcome"], record["key_attempts"]) == ("completed", 3)
    assert record["credential_hint"] == "sk-m...hree"
    assert record["token_usages"]
    assert all(entry["complete"] for entry in in_trouble.log())
    assert len({entry["body_sha256"] for entry in in_trouble.log()}) == 1


@BOTH
def test_when_all_keys_are_limited_the_client_is_told_how_long(in_trouble: Product) -> None:
    in_trouble.reset_log()
    reply = asked(in_trouble, "limited", "keys=one:429:300,two:429:90,three:401")
    assert reply.status == 429
    assert reply.header("retry-after") == "90"
    assert reply.header("x-ai-gateway-error") == "key_pool_exhausted"
    record = in_trouble.record(reply)
    assert (record["outcome"], record["error_type"]) == ("failed", "rate_limited")
    assert record["key_attempts"] == 3
    again = asked(in_trouble, "limited", "text=fine")
    assert again.status == 429
    assert 80 <= int(again.header("retry-after") or "0") <= 90
    assert in_trouble.record(again)["key_attempts"] == 0
    assert tried(in_trouble) == ["one", "two", "three"]


@BOTH
def test_when_all_keys_are_revoked_there_is_nothing_to_wait_for(in_trouble: Product) -> None:
    reply = asked(in_trouble, "revoked", "keys=one:401,two:401,three:401")
    assert (reply.status, reply.header("retry-after")) == (502, None)
    assert reply.header("x-ai-gateway-error") == "key_pool_unauthorized"
    assert in_trouble.record(reply)["error_type"] == "unauthorized"


@BOTH
def test_a_breaker_opens_refuses_tries_and_closes(
    in_trouble: Product, request: pytest.FixtureRequest
) -> None:
    """After two failures of a process: where a sandbox is still busy, a second one has its own."""
    in_trouble.reset_log()
    failed = 0
    while (refused := asked(in_trouble, "guarded", "status=529")).status == 529:
        failed += 1
    sandboxes = 1 if request.node.callspec.params["in_trouble"] == "run" else 2
    assert 2 <= failed <= 2 * sandboxes
    assert (refused.status, refused.header("retry-after")) == (503, "1")
    assert refused.header("x-ai-gateway-error") == "circuit_open"
    record = in_trouble.record(refused)
    assert (record["outcome"], record["error_type"]) == ("failed", "overloaded")
    assert len(in_trouble.log()) == failed
    statuses = (asked(in_trouble, "guarded", "text=fine").status for _ in range(2_000))
    assert next(status for status in statuses if status != 503) == 200
    assert len(in_trouble.log()) == failed + 1


@ON_LAMBDA
async def test_a_limit_that_one_sandbox_finds_is_known_to_the_others(in_trouble: Product) -> None:
    """While a stream holds a sandbox, a second one finds the limit; then both are asked."""
    in_trouble.reset_log()
    port = int(in_trouble.gateway.rpartition(":")[2])
    path = "/shared/v1/messages"
    async with Client(port) as first:
        await first.send("POST", path, *request("events=60;drip=50"))
        streaming = await first.head()
        assert (await ask_at(port, path, "POST", *request("keys=one:429:300;text=x"))).status == 200
        assert (await first.rest(streaming)).whole
    async with Client(port) as second:
        await second.send("POST", path, *request("events=60;drip=50"))
        await second.head()
        assert (await ask_at(port, path, "POST", *request("text=x"))).status == 200
    assert tried(in_trouble) == ["one", "one", "two", "two", "two"]
