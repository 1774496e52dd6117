"""What counting and publishing write into the table, as the documentation says it."""

from typing import Any

import pytest

from aigateway.ledger.dynamodb import DynamoStore
from aigateway.reload.publish import Publisher, Sinks
from aigateway.reload.publishing.assembly import remote_of, view_of
from aigateway.settings import Settings
from aigateway.steps import Step, passed_through, rejected, steps_of_closing
from tests.builders import a_closed, a_tool, a_usage, an_opened
from tests.clocks import HeldClock
from tests.unit.ledger.dynamodb.faulty import FaultyConnection

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem")


class Receiver:
    async def write(self, body: bytes) -> int:
        return 204


def writes(faulty: FaultyConnection) -> list[tuple[str, dict[str, Any]]]:
    """Return what was written since the last time."""
    sent = [each for each in faulty.sent if each[0] in WRITES]
    faulty.sent.clear()
    return sent


async def closed(store: DynamoStore, faulty: FaultyConnection, *, counts: bool) -> list[Any]:
    """Record an interception; return the actions of its transaction, and hold the other writes."""
    opened = an_opened()
    await store.open(opened)
    ended = a_closed(opened, a_usage(), *(a_tool(name=f"tool-{n}") for n in range(10)))
    writes(faulty)
    steps: tuple[Step, ...] = steps_of_closing(opened, ended) if counts else ()
    assert await store.close(opened, ended, steps)
    (transaction,) = [each for name, each in writes(faulty) if name == "TransactWriteItems"]
    actions: list[Any] = transaction["TransactItems"]
    return actions


async def test_an_interception_is_counted_by_one_update_more_in_its_closing_transaction(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    without = await closed(store, faulty, counts=False)
    assert len(await closed(store, faulty, counts=True)) == len(without) + 1
    (counter,) = [
        item
        for item in faulty.dispatch("Scan", {"TableName": table_name})["Items"]
        if item["pk"]["S"].startswith("CTR#")
    ]
    assert len(str(counter)) < 1024, "so it is two write units"


async def test_a_refusal_and_a_passed_request_are_one_update_each(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    await store.count(rejected("not_allowed"))
    assert [name for name, _ in writes(faulty)] == ["UpdateItem"]
    await store.count(passed_through("anthropic", "/v1/models", "GET", 0.1, 2))
    assert [name for name, _ in writes(faulty)] == ["UpdateItem"]


@pytest.mark.parametrize("has_endpoint", [True, False])
async def test_a_tick_without_anything_new_makes_four_updates_and_keeps_its_text(
    store: DynamoStore, faulty: FaultyConnection, *, has_endpoint: bool
) -> None:
    clock = HeldClock()
    remote = remote_of(Settings(), "https://prometheus.example", Receiver(), clock)
    publisher = Publisher(
        Sinks(remote, has_endpoint=has_endpoint),
        clock,
        view_of(Settings()),
        clock.now,
        has_twins=True,
    )
    await store.count(rejected("not_allowed"))
    for _ in range(2):
        writes(faulty)
        assert await publisher.run(store) > 0
        clock.advance(60)
    sent = writes(faulty)
    texts = [name for name, _ in sent if name != "UpdateItem"]
    assert len(sent) - len(texts) == 4
    assert bool(texts) is has_endpoint
