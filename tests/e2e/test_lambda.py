"""What is different, or harder, where the gateway is a function over a table."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.listing import Reach
from tests.e2e.asks import PATHS, ask
from tests.e2e.front_client import Client
from tests.e2e.product import Product, call
from tests.e2e.streams import ID, request

INVOCATIONS = int(os.environ.get("INVOCATIONS", "40"))
SHOWN = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
FUNCTIONS = pytest.mark.parametrize("product", ["run-lambda"], indirect=True)
pytestmark = [FUNCTIONS, pytest.mark.ministack]


@pytest.fixture
async def store(product: Product, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DynamoStore]:
    """The product's table, found by the variables that the start prints."""
    printed = dict(word.partition("=")[::2] for word in product.lines[-1].split() if "=" in word)
    for name in SHOWN:
        monkeypatch.setenv(name, printed[name])
    found = DynamoStore(printed["AIGW_TABLE"])
    await found.start()
    yield found
    await found.stop()


def port_of(product: Product) -> int:
    return int(product.gateway.rpartition(":")[2])


async def test_i09_a_record_is_closed_before_the_end_of_its_body(
    product: Product, store: DynamoStore
) -> None:
    """Of as many invocations as the variable says, one after the other; none may be missing."""
    closed = 0
    async with Client(port_of(product)) as client:
        for number in range(INVOCATIONS):
            dialect = ("messages", "chat", "responses")[number % 3]
            got = await client.ask("POST", PATHS[dialect], *request("text=x", dialect))
            row = await store.interception(got.values(ID)[0], Reach(None), datetime.now(UTC))
            assert got.whole
            closed += row is not None and row.closed is not None
    assert closed == INVOCATIONS


@contextmanager
def silent_stand_in(product: Product) -> Iterator[None]:
    """Stop the process that holds the table, and let it go on."""
    os.kill(product.stand_in, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(product.stand_in, signal.SIGCONT)


def test_i06_while_the_table_is_silent_the_provider_sees_no_complete_request(
    product: Product,
) -> None:
    warm, slowly = ask("messages", "warm", stream=True), {"x-fake": "drip=100;events=5"}
    assert product.post(PATHS["messages"], warm, slowly).status == 200
    product.reset_log()
    with silent_stand_in(product):
        reply = product.post(PATHS["messages"], ask("messages", "hello", stream=True))
    assert reply.status == 503
    known_or_not = ("recorder_unavailable", "auth_unavailable")
    assert reply.header("x-ai-gateway-error") in known_or_not, (
        "by whether its sandbox knows the key"
    )
    assert reply.header("retry-after") == "1"
    assert not any(entry["complete"] for entry in product.log())
    assert product.post(PATHS["messages"], ask("messages", "again", stream=True)).status == 200


async def test_a_client_that_leaves_is_not_signalled_and_its_answer_is_recorded_whole(
    product: Product, store: DynamoStore
) -> None:
    async with Client(port_of(product)) as client:
        await client.send("POST", PATHS["messages"], *request("drip=20;events=10"))
        got = await client.head()
        await client.piece(got)
    row = None
    while row is None or row.closed is None:
        row = await store.interception(got.values(ID)[0], Reach(None), datetime.now(UTC))
    assert row.closed.outcome == "completed"


def test_a_request_over_six_megabytes_is_refused_before_the_function_sees_it(
    product: Product,
) -> None:
    body = b'{"model":"m","messages":"' + b"x" * (6 << 20) + b'"}'
    reply = product.post(PATHS["messages"], body)
    assert reply.status == 413
    assert reply.header("x-ai-gateway-error") is None
    assert "6291456" in reply.document["Message"]


def test_the_service_adds_its_ids_and_the_function_its_own(product: Product) -> None:
    reply = product.post(PATHS["chat"], ask("chat", "hello", stream=True))
    assert reply.header("x-amzn-requestid")
    assert reply.header(ID)
    assert reply.header("transfer-encoding") == "chunked"


def test_the_api_is_the_function_behind_a_rest_api(product: Product) -> None:
    assert call(f"{product.api}/healthz").status == 200
    assert call(f"{product.api}/api/v2/aibridge/sessions").status == 401
    assert "REPORT RequestId" in (product.state / "logs" / "sessions.log").read_text()
