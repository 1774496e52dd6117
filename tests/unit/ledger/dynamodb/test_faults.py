"""What the store does when the table is busy, slow or gone."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from aigateway.errors import AuthUnavailable, Conflict, RecorderUnavailable
from aigateway.interception import Closed, Opened
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.rows import Interception, Session
from aigateway.pool.providers import ProviderRow
from aigateway.reload.sweep import abandoned_record, sweep
from aigateway.steps import Step, orphaned, steps_of_closing
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at
from tests.contract.stand_in import at_once
from tests.recount import disagreement
from tests.unit.ledger.dynamodb.faulty import (
    Died,
    FaultyConnection,
    canceled,
    refusal,
    unanswered,
)

ALL = Reach(None)
NOW = at(3600)
THROTTLED = "ProvisionedThroughputExceededException"
CONFLICT = "TransactionConflict"


async def closing(store: DynamoStore, opened: Opened, closed: Closed) -> bool:
    return await store.close(opened, closed, steps_of_closing(opened, closed))


async def stored(store: DynamoStore, opened: Opened) -> Interception | None:
    return await store.interception(opened.id, ALL, NOW)


async def the_session(store: DynamoStore) -> Session:
    window = Window(10, NOW, inflight=True, auxiliary=True)
    (session,) = (await store.sessions(Filter(), ALL, window)).rows
    return session


def tokens(faulty: FaultyConnection) -> list[str]:
    return [sent["ClientRequestToken"] for sent in faulty.requests("TransactWriteItems")]


def counter_keys(faulty: FaultyConnection) -> list[str]:
    return [
        str(sent["TransactItems"][2]["Update"]["Key"]["sk"]["S"])
        for sent in faulty.requests("TransactWriteItems")
    ]


async def test_a_throttled_opening_is_tried_three_times(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.fails("PutItem:I#", refusal(THROTTLED), times=2)
    opened = an_opened()
    await store.open(opened)
    found = await stored(store, opened)
    assert found is not None
    assert found.opened == opened


async def test_an_opening_that_stays_unanswered_is_refused(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.fails("PutItem:I#", unanswered(), times=3)
    opened = an_opened()
    with pytest.raises(RecorderUnavailable):
        await store.open(opened)
    await store.stop()
    assert await stored(store, opened) is None
    assert await store.counters() == {}


async def test_the_lost_reply_of_an_opening_is_no_failure(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.loses_the_reply("PutItem:I#")
    opened = an_opened()
    await store.open(opened)
    assert await stored(store, opened) is not None


async def test_a_record_whose_prompt_is_lost_is_closed_as_failed(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.fails("PutItem:P#", unanswered(), times=3)
    opened = an_opened()
    with pytest.raises(RecorderUnavailable):
        await store.open(opened)
    await store.stop()
    found = await stored(store, opened)
    assert found is not None
    assert found.closed is not None
    assert (found.closed.outcome, found.closed.error_type) == ("failed", "server_error")
    assert await disagreement(store, NOW) == {}, "a prompt that is not there is not counted"


async def test_an_opening_that_only_lost_its_replies_is_closed_as_failed(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.loses_the_reply("PutItem:I#")
    faulty.fails("PutItem:I#", unanswered(), times=2)
    opened = an_opened()
    with pytest.raises(RecorderUnavailable):
        await store.open(opened)
    await store.stop()
    found = await stored(store, opened)
    assert found is not None
    assert found.closed is not None
    assert found.closed.outcome == "failed"


async def test_the_lost_reply_of_a_closing_is_still_a_win(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    opened = an_opened()
    closed = a_closed(opened, a_usage())
    await store.open(opened)
    faulty.loses_the_reply("TransactWriteItems")
    assert await closing(store, opened, closed)
    assert (await the_session(store)).tokens == closed.tokens
    (amounts,) = (await store.counters()).values()
    assert amounts["c"] == 1
    first, second = tokens(faulty)
    assert first == second


async def test_a_conflict_moves_the_counter_aside_under_another_token(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    opened = an_opened()
    await store.open(opened)
    faulty.fails("TransactWriteItems", canceled(None, CONFLICT, None), times=2)
    assert await closing(store, opened, a_closed(opened, a_usage()))
    assert len(set(tokens(faulty))) == 3
    first, *moved = counter_keys(faulty)
    assert first.endswith("#0")
    assert all(key[-2] == "#" and key[-1] in "1234567" for key in moved)
    (amounts,) = (await store.counters()).values()
    assert (amounts["c"], amounts["t:input"]) == (1, 10)


async def test_sub_items_of_a_counter_add_up(store: DynamoStore, faulty: FaultyConnection) -> None:
    for seconds in (0, 1):
        opened = an_opened(seconds)
        await store.open(opened)
        if seconds:
            faulty.fails("TransactWriteItems", canceled(None, None, CONFLICT))
        assert await closing(store, opened, a_closed(opened))
    (amounts,) = (await store.counters()).values()
    assert amounts["c"] == 2


async def test_a_closing_on_a_busy_table_keeps_its_token(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    opened = an_opened()
    await store.open(opened)
    for error in (
        refusal("ThrottlingException"),
        canceled(None, "ThrottlingError", None),
        refusal("TransactionInProgressException"),
    ):
        faulty.fails("TransactWriteItems", error)
    assert await closing(store, opened, a_closed(opened))
    assert len(tokens(faulty)) == 4
    assert len(set(tokens(faulty))) == 1


async def test_a_token_that_meant_something_else_is_replaced(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    opened = an_opened()
    await store.open(opened)
    faulty.fails("TransactWriteItems", refusal("IdempotentParameterMismatchException"))
    assert await closing(store, opened, a_closed(opened))
    assert len(set(tokens(faulty))) == 2


async def test_a_closing_gives_up_after_six_attempts(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    opened = an_opened()
    await store.open(opened)
    faulty.fails("TransactWriteItems", unanswered(), times=6)
    with pytest.raises(RecorderUnavailable):
        await closing(store, opened, a_closed(opened))
    assert len(tokens(faulty)) == 6
    assert await store.orphans(at(1), 10) == (opened,)


@pytest.mark.parametrize(
    "error",
    [
        refusal("ValidationException", "Item size to update has exceeded the maximum allowed size"),
        canceled(None, None, "ValidationError", message="Item size has exceeded the maximum"),
    ],
)
async def test_an_item_that_grew_too_large_is_closed_in_its_bounded_form(
    store: DynamoStore, faulty: FaultyConnection, error: Exception
) -> None:
    opened = an_opened()
    await store.open(opened)
    faulty.fails("TransactWriteItems", error)
    closed = a_closed(opened, a_tool(name="Bash"), a_tool("toolu_2", name="Read"))
    assert await closing(store, opened, closed)
    (amounts,) = (await store.counters()).values()
    assert {name: n for name, n in amounts.items() if name.startswith("n:")} == {"n:other": 2}
    for asked, is_there in ((opened.model, True), ("another", False)):
        page = await store.sessions(Filter(model=asked), ALL, Window(10, NOW))
        assert bool(page.rows) is is_there
    assert (await the_session(store)).models == (opened.model,)


async def test_another_final_refusal_is_not_repeated(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    opened = an_opened()
    await store.open(opened)
    faulty.fails("TransactWriteItems", refusal("AccessDeniedException"))
    with pytest.raises(RecorderUnavailable):
        await closing(store, opened, a_closed(opened))
    assert len(tokens(faulty)) == 1


async def test_steps_without_a_record_are_sent_at_most_once(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.loses_the_reply("UpdateItem:J#")
    with pytest.raises(RecorderUnavailable):
        await store.count((Step("J", ("x",), "n", 1),))
    assert await store.counters() == {("J", ("x",)): {"n": 1}}


async def test_a_session_that_could_not_be_moved_is_moved_with_the_closing(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.fails("UpdateItem:META", unanswered(), times=3)
    opened = an_opened()
    await store.open(opened)
    assert await closing(store, opened, a_closed(opened))
    assert (await the_session(store)).last_prompt == "Fix the build."
    moves = [sent for sent in faulty.requests("UpdateItem") if sent["Key"]["sk"]["S"] == "META"]
    assert len(moves) == 4


async def test_a_session_that_never_could_be_moved_comes_with_the_closing(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.fails("UpdateItem:META", unanswered(), times=6)
    opened = an_opened()
    await store.open(opened)
    assert await closing(store, opened, a_closed(opened, a_usage()))
    session = await the_session(store)
    assert session.id == "session-1"
    assert session.last_active_at == opened.started_at
    assert session.last_prompt == "Fix the build."
    assert session.threads == 1


async def test_a_pointer_that_was_lost_is_written_with_the_closing(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.fails("PutItem:u-alice", unanswered(), times=3)
    opened = an_opened()
    await store.open(opened)
    assert await closing(store, opened, a_closed(opened))
    assert await store.session("session-1", ALL, NOW) != ()


async def test_what_was_written_before_a_crash_survives_the_sweep(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened()
    heard = a_closed(opened, a_thought("Half a thought."))
    await store.open(opened)
    faulty.fails("TransactWriteItems", unanswered(), times=6)
    with pytest.raises(RecorderUnavailable):
        await closing(store, opened, heard)
    sweeper = DynamoStore(table_name, connection=faulty, pause=at_once)
    (orphan,) = await sweeper.orphans(at(1), 10)
    assert orphan == opened
    left = await sweeper.remains(orphan)
    assert left is not None
    assert await closing(sweeper, orphan, left)
    found = await stored(sweeper, opened)
    assert found is not None
    assert found.opened.prompt == opened.prompt
    assert found.closed is not None
    assert found.closed.outcome == "abandoned"
    assert found.closed.rows == heard.rows


async def test_what_a_crash_left_of_an_answer_is_counted_by_the_sweep(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    """A gateway died between the texts of its answer and the transaction that closes."""
    opened = an_opened()
    first_byte_at = at(0.3)
    heard = a_closed(opened, a_usage(), a_tool(), a_thought(), first_byte_at=first_byte_at)
    await store.open(opened)
    faulty.fails("TransactWriteItems", unanswered(), times=6)
    with pytest.raises(RecorderUnavailable):
        await closing(store, opened, heard)
    sweeper = DynamoStore(table_name, connection=faulty, pause=at_once)
    assert await sweep(sweeper, NOW) == 1
    found = await stored(sweeper, opened)
    assert found is not None
    assert found.closed is not None
    assert found.closed.rows == heard.rows
    assert (found.closed.outcome, found.closed.usage_missing) == ("abandoned", False)
    assert found.tokens == heard.tokens == (await the_session(sweeper)).tokens
    assert await disagreement(sweeper, NOW) == {}


async def test_a_sweep_that_dies_behind_its_closing_leaves_no_place_for_another_text(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    """The gateway was only slow: what it had to say must not stand in a record that counts none."""
    opened = an_opened()
    await store.open(opened)
    sweeper = DynamoStore(table_name, connection=faulty, pause=at_once)
    faulty.dies_after("TransactWriteItems")
    with pytest.raises(Died):
        await sweep(sweeper, NOW)
    faulty.sent.clear()
    slow = a_closed(opened, a_usage(), a_thought(), first_byte_at=at(0.3))
    assert not await closing(store, opened, slow)
    found = await stored(store, opened)
    assert found is not None
    assert found.payload_error is None
    assert found.closed is not None
    assert (found.closed.outcome, found.closed.rows) == ("abandoned", ())
    assert await disagreement(store, NOW) == {}


async def test_a_text_that_comes_while_the_sweep_closes_is_not_the_records(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened()
    await store.open(opened)
    sweeper = DynamoStore(table_name, connection=faulty, pause=at_once)
    left = await sweeper.remains(opened)
    assert left is None
    faulty.fails("TransactWriteItems", unanswered(), times=6)
    with pytest.raises(RecorderUnavailable):
        await closing(store, opened, a_closed(opened, a_usage(), a_thought()))
    given_up = abandoned_record(opened, NOW, left)
    steps = (*steps_of_closing(opened, given_up), *orphaned())
    assert await sweeper.close(opened, given_up, steps)
    found = await stored(store, opened)
    assert found is not None
    assert found.closed is not None
    assert found.closed.rows == ()
    assert await disagreement(store, NOW) == {}


async def test_the_texts_are_those_of_the_closing_that_won(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened()
    await store.open(opened)
    faulty.fails("TransactWriteItems", unanswered(), times=6)
    with pytest.raises(RecorderUnavailable):
        await closing(store, opened, a_closed(opened, a_thought("Lost.")))
    winner = a_closed(opened, a_thought("Won."), outcome="failed")
    other = DynamoStore(table_name, connection=faulty, pause=at_once)
    assert await closing(other, opened, winner)
    found = await stored(other, opened)
    assert found is not None
    assert found.closed == winner


async def test_a_late_closing_sets_no_time_of_its_session_back(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    old, new = an_opened(0), an_opened(600, prompt="Newer.")
    await store.open(old)
    await store.open(new)
    assert await closing(store, new, a_closed(new))
    sweeper = DynamoStore(table_name, connection=faulty, pause=at_once)
    assert await closing(sweeper, old, a_closed(old, outcome="abandoned"))
    session = await the_session(store)
    assert session.ended_at == a_closed(new).ended_at
    assert session.last_prompt == "Newer."
    assert new.expires_at is not None
    item = faulty.dispatch(
        "GetItem",
        {
            "TableName": table_name,
            "Key": {"pk": {"S": f"S#{new.session_key}"}, "sk": {"S": "META"}},
        },
    )["Item"]
    assert item["expires_at"] == {"N": str(int(new.expires_at.timestamp()))}


async def test_what_a_batch_left_over_is_asked_for_again(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened()
    await store.open(opened)
    assert await closing(store, opened, a_closed(opened, a_thought()))

    def halved(answer: dict[str, Any]) -> dict[str, Any]:
        (kept, left) = answer["Responses"][table_name]
        keys = {"Keys": [{name: left[name] for name in ("pk", "sk")}]}
        return {"Responses": {table_name: [kept]}, "UnprocessedKeys": {table_name: keys}}

    faulty.answers("BatchGetItem", halved)
    found = await stored(store, opened)
    assert found is not None
    assert (found.opened, found.closed) == (opened, a_closed(opened, a_thought()))


async def test_a_batch_that_never_gets_on_ends(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    opened = an_opened()
    await store.open(opened)
    keys = {"Keys": [{"pk": {"S": "a"}, "sk": {"S": "b"}}]}
    for _ in range(3):
        faulty.answers("BatchGetItem", lambda _: {"UnprocessedKeys": {table_name: keys}})
    with pytest.raises(RecorderUnavailable):
        await stored(store, opened)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        refusal("ResourceNotFoundException"),
        refusal("AccessDeniedException"),
        refusal("ServiceUnavailable"),
    ],
)
async def test_no_error_of_the_library_gets_out(
    store: DynamoStore, faulty: FaultyConnection, error: Exception
) -> None:
    faulty.fails("GetItem", error, times=6)
    with pytest.raises(AuthUnavailable):
        await store.key("0" * 16)
    faulty.fails("Query", error, times=3 * 8)
    with pytest.raises(RecorderUnavailable):
        await store.users()


async def test_a_lost_reply_to_a_change_of_the_configuration_is_no_conflict(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.loses_the_reply("PutItem:ACCESS", times=2)
    await store.put_access_rules((), 0)
    assert (await store.access_rules()).version == 1
    with pytest.raises(Conflict):
        await store.put_access_rules((), 5)
    faulty.loses_the_reply("PutItem:openai", times=2)
    await store.put_provider(ProviderRow("openai", {"type": "openai"}, 1), None)
    with pytest.raises(Conflict):
        await store.put_provider(ProviderRow("openai", {"type": "copilot"}, 1), None)


async def test_a_table_of_another_layout_is_refused(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    faulty.dispatch(
        "UpdateItem",
        {
            "TableName": table_name,
            "Key": {"pk": {"S": "CFG"}, "sk": {"S": "TABLE"}},
            "UpdateExpression": "SET version = :v",
            "ExpressionAttributeValues": {":v": {"N": "2"}},
        },
    )
    with pytest.raises(RecorderUnavailable, match="layout 2"):
        await DynamoStore(table_name, connection=faulty).start()


async def test_stores_that_start_at_once_agree_on_one_layout(
    store: DynamoStore, faulty: FaultyConnection, table_name: str
) -> None:
    other = DynamoStore(table_name, connection=faulty)
    await other.start()
    assert await other._layout() == await store._layout()
