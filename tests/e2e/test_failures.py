"""Whatever the provider does reaches the client unchanged, and is recorded for what it was."""

from bisect import bisect_left
from itertools import accumulate

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.front_client import Client
from tests.e2e.product import Product, Reply
from tests.e2e.streams import request

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
    if not (product.on_lambda and seen["response_bytes"] == 0):
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
    """Behind a Function URL it is one line feed, since a body without a byte never ends there."""
    reply = _ask(product, dialect, "empty")
    assert (reply.status, reply.body) == (200, b"\n" if product.on_lambda else b"")
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


LAG_SECONDS = 0.3
"""What a loaded machine may add between a piece's leaving the provider and its arrival."""


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_events_arrive_one_by_one_as_the_provider_sends_them(
    product: Product, dialect: str
) -> None:
    product.reset_log()
    async with Client(int(product.gateway.rpartition(":")[2])) as client:
        sent = request("drip=50;events=20", dialect)
        got = await client.ask("POST", PATHS[dialect], *sent)
    (seen,) = product.log()
    arrived = list(accumulate(len(piece) for _, piece in got.pieces))
    moments = [came for came, _ in got.pieces]
    lags = [moments[bisect_left(arrived, size)] - left for left, size in seen["sent_at"]]
    assert len(lags) > 20
    assert max(lags) < LAG_SECONDS
    assert got.ended_at - got.head_at > 20 * 0.05
