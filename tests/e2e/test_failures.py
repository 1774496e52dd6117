"""Whatever the provider does reaches the client unchanged, and is recorded for what it was."""

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.product import Product, Reply

DIALECTS = ("messages", "chat", "responses")
STATUSES = {
    400: "bad_request",
    401: "unauthorized",
    403: "unauthorized",
    404: "bad_request",
    413: "bad_request",
    429: "rate_limited",
    500: "server_error",
    529: "overloaded",
}


def _ask(product: Product, dialect: str, wish: str, *, stream: bool = True) -> Reply:
    product.reset_log()
    reply = product.post(PATHS[dialect], ask(dialect, "hello", stream=stream), {"x-fake": wish})
    (seen,) = product.log()
    assert seen["response_sha256"] == reply.sha256
    return reply


@pytest.mark.parametrize(("status", "error_type"), STATUSES.items())
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_providers_error_is_passed_on_and_recorded_as_failed(
    product: Product, dialect: str, status: int, error_type: str
) -> None:
    reply = _ask(product, dialect, f"status={status};retry-after=17;should-retry=false")
    assert reply.status == status
    assert reply.header("retry-after") == "17"
    assert reply.header("x-should-retry") == "false"
    assert reply.header("x-ai-gateway-error") is None
    record = product.record(reply)
    assert (record["outcome"], record["error_type"]) == ("failed", error_type)
    assert record["http_status"] == status
    assert record["error_message"]
    assert [p["prompt"] for p in record["user_prompts"]] == ["hello"]
    assert record["token_usages"] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_event_in_a_stream_is_passed_on_and_recorded_as_failed(
    product: Product, dialect: str
) -> None:
    reply = _ask(product, dialect, "error=overloaded_error;at=3")
    assert (reply.status, reply.whole) == (200, True)
    record = product.record(reply)
    assert (record["outcome"], record["error_type"]) == ("failed", "overloaded")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_i19_a_cut_stays_a_cut(product: Product, dialect: str, stream: bool) -> None:
    reply = _ask(product, dialect, "cut;at=4", stream=stream)
    assert not reply.whole
    record = product.record(reply)
    assert (record["outcome"], record["error_type"]) == ("upstream_cut", "server_error")
    assert record["user_prompts"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_ends_early_but_cleanly_is_a_cut_only_in_the_record(
    product: Product, dialect: str
) -> None:
    reply = _ask(product, dialect, "end;at=4")
    assert reply.whole
    assert product.record(reply)["outcome"] == "upstream_cut"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_empty_stream_is_relayed_empty(product: Product, dialect: str) -> None:
    reply = _ask(product, dialect, "empty")
    assert (reply.status, reply.body) == (200, b"")
    record = product.record(reply)
    assert record["outcome"] == "upstream_cut"
    assert record["usage_missing"] is True


@pytest.mark.parametrize("dialect", DIALECTS)
def test_truncated_json_is_relayed_and_recorded_as_failed(product: Product, dialect: str) -> None:
    reply = _ask(product, dialect, "truncate", stream=False)
    assert reply.whole
    record = product.record(reply)
    assert record["outcome"] == "failed"
    assert record["usage_missing"] is True


def test_chunks_reach_the_client_as_they_come(product: Product) -> None:
    """The provider stalls after three events: the client has them all the same."""
    import json  # noqa: PLC0415
    import socket  # noqa: PLC0415
    from urllib.parse import urlsplit  # noqa: PLC0415

    parts = urlsplit(product.gateway)
    body = json.dumps(ask("messages", "hello", stream=True)).encode()
    head = (
        f"POST {PATHS['messages']} HTTP/1.1\r\nHost: x\r\nx-fake: stall;at=3\r\n"
        f"Authorization: Bearer {product.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(head.encode() + body)
        heard = b""
        while heard.count(b"event: ") < 3:
            heard += client.recv(65_536)
    assert heard.startswith(b"HTTP/1.1 200")
