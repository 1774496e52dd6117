"""Users in the table, where the service refuses, or answers nobody."""

from dataclasses import replace

import pytest

from aigateway.errors import AuthUnavailable, Conflict, RecorderUnavailable
from aigateway.ledger.dynamodb import DynamoStore
from tests.builders import a_user
from tests.unit.ledger.dynamodb.faulty import FaultyConnection, canceled, refusal, unanswered

ROLE = "arn:aws:iam::123456789012:role/dev"


@pytest.mark.parametrize("reasons", [("TransactionConflict", None), (None, "TransactionConflict")])
async def test_a_change_that_another_one_crosses_is_a_conflict(
    store: DynamoStore, faulty: FaultyConnection, reasons: tuple[str | None, ...]
) -> None:
    user = a_user()
    await store.add_user(user)
    faulty.fails("TransactWriteItems", canceled(*reasons))
    with pytest.raises(Conflict):
        await store.change_user(user, replace(user, role="admin", iam_principals=(ROLE,)))
    assert await store.users() == (user,)


async def test_a_table_out_of_order_is_no_conflict(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.fails("TransactWriteItems", refusal("AccessDeniedException"))
    with pytest.raises(RecorderUnavailable) as raised:
        await store.add_user(a_user())
    assert not isinstance(raised.value, Conflict)


async def test_who_signed_cannot_be_told_while_the_table_is_silent(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    faulty.fails("GetItem", unanswered(), times=3)
    with pytest.raises(AuthUnavailable):
        await store.principal(ROLE)


async def test_a_request_is_counted_at_most_once_and_expires(
    store: DynamoStore, faulty: FaultyConnection
) -> None:
    """Two tries would count double, or hold up a request longer than it waits."""
    faulty.fails("UpdateItem", unanswered())
    with pytest.raises(RecorderUnavailable):
        await store.hit("0123456789abcdef", 1_795_521_600)
    assert await store.hit("0123456789abcdef", 1_795_521_600) == 1
    asked = faulty.requests("UpdateItem")[-1]
    assert {"N": str(1_795_521_660)} in asked["ExpressionAttributeValues"].values()
