"""Requests that two servers could read in two ways reach no provider, or as one request."""

import socket
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from aigateway.ledger.sqlite import SqliteStore
from tests.e2e.product import Product
from tests.e2e.streams import resident_kb
from tests.hostile.answers import FIRST_EVENT, LAST_EVENT
from tests.hostile.heads import (
    ELSEWHERE,
    FOLLOWED,
    MALFORMED,
    PLAIN,
    SERVED,
    TOO_LARGE,
)
from tests.hostile.provider import Provider
from tests.hostile.raw import BODY, PATIENCE_SECONDS, posted, read_all, read_until, sent

GROWN_MB = 32


@pytest.fixture(autouse=True, scope="module")
def bystander(product: Product, provider: Provider) -> Iterator[None]:
    """Another client's stream, open all the while: it ends whole and unchanged."""
    port = int(product.gateway.rpartition(":")[2])
    provider.released.clear()
    before = resident_kb(product.child("gateway"))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(posted(b"x-answer: until released"))
        begun = read_until(client, FIRST_EVENT)
        yield
        provider.released.set()
        (heard,) = read_all(client, heard=begun)
    assert heard.whole
    assert heard.body == FIRST_EVENT + LAST_EVENT
    assert resident_kb(product.child("gateway")) < before + GROWN_MB * 1024


@pytest.fixture(autouse=True)
def serves_on(port: int, provider: Provider) -> Iterator[None]:
    """Whatever came: the next request is served, and nothing odd has reached the provider."""
    yield
    provider.asked.clear()
    (heard,) = sent(port, PLAIN)
    assert (heard.status, heard.body) == (200, b"{}")
    assert [asked.body for asked in provider.asked] == [BODY]
    assert provider.faults == []


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_is_refused(port: int, provider: Provider, name: str) -> None:
    (heard,) = sent(port, MALFORMED[name])
    assert (heard.status, heard.code) == (400, "malformed_request")
    assert heard.values("x-should-retry") == ["false"]
    assert b'"invalid_request_error"' in heard.body
    assert provider.asked == []


def test_it_is_refused_in_the_dialect_of_its_path(port: int) -> None:
    (heard,) = sent(port, MALFORMED["two hosts"])
    assert heard.body.startswith(b'{"type":"error","error":{"type":"invalid_request_error"')
    chat = MALFORMED["two hosts"].replace(b"/anthropic/v1/messages", b"/openai/v1/responses")
    (heard,) = sent(port, chat)
    assert heard.body.startswith(b'{"error":{"message":')


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_head_too_large_is_refused(port: int, provider: Provider, name: str) -> None:
    (heard,) = sent(port, TOO_LARGE[name])
    assert (heard.status, heard.code) in {(431, "head_too_large"), (400, "malformed_request")}
    assert provider.asked == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_path_leads_elsewhere(port: int, provider: Provider, name: str) -> None:
    (heard,) = sent(port, ELSEWHERE[name])
    assert (heard.status, heard.code) == (404, "route_not_supported")
    assert provider.asked == []


@pytest.mark.parametrize("name", SERVED)
def test_what_is_only_unusual_goes_on_as_one_request(
    port: int, provider: Provider, name: str
) -> None:
    (heard,) = sent(port, SERVED[name])
    assert (heard.status, heard.body) == (200, b"{}")
    (asked,) = provider.asked
    assert asked.target.partition(b"?")[0] == b"/v1/messages"
    assert asked.body == BODY
    assert asked.values(b"content-length") == [b"%d" % len(BODY)]
    names = {name.replace(b"_", b"-") for name, _ in asked.headers}
    assert not names & {b"transfer-encoding", b"trailer", b"x-hidden", b"proxy-authorization"}
    assert len([name for name in names if name == b"x-api-key"]) == 1


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_follows_a_refused_request_is_the_next_one(
    port: int, provider: Provider, name: str
) -> None:
    first, second = sent(port, FOLLOWED[name] + PLAIN)
    assert first.status in {400, 401, 404, 413}
    assert (second.status, second.body) == (200, b"{}")
    assert [(asked.target, asked.body) for asked in provider.asked] == [(b"/v1/messages", BODY)]


def test_nothing_follows_the_end_that_a_client_asked_for(port: int, provider: Provider) -> None:
    (heard,) = sent(port, PLAIN + PLAIN)
    assert heard.status == 200
    assert len(provider.asked) == 1


def test_requests_at_once_are_answered_in_their_order(port: int, provider: Provider) -> None:
    kept = PLAIN.replace(b"Connection: close\r\n", b"")
    heard = sent(port, kept * 20 + PLAIN)
    assert [each.status for each in heard] == [200] * 21
    assert len({each.record for each in heard}) == 21
    assert len(provider.asked) == 21


async def test_what_is_refused_before_it_is_a_request_is_counted(
    product: Product, port: int
) -> None:
    before = await refusals(product)
    for name in ("two lengths", "two hosts", "a folded header"):
        sent(port, MALFORMED[name])
    sent(port, TOO_LARGE["many headers"])
    expected = before + Counter(malformed_request=3, head_too_large=1)
    until = time.monotonic() + PATIENCE_SECONDS
    while (found := await refusals(product)) != expected:
        assert time.monotonic() < until, found


async def refusals(product: Product) -> Counter[str]:
    store = SqliteStore(product.state / "ledger.db")
    await store.start()
    try:
        counters = await store.counters()
    finally:
        await store.stop()
    return Counter({key[0]: steps["n"] for (kind, key), steps in counters.items() if kind == "J"})
