"""The table without the SDK: its answers and refusals, against those of the SDK."""

import json
from typing import Any, final

import botocore.session
import pytest
from botocore.parsers import create_parser
from pynamodb.exceptions import CancellationReason, VerboseClientError

from aigateway.errors import RecorderUnavailable, ServiceSilent
from aigateway.ledger.dynamodb import DynamoStore
from aigateway.ledger.dynamodb.connection import Table
from aigateway.ledger.dynamodb.lean import DYNAMODB, Lean
from aigateway.ledger.dynamodb.refusals import Refused, Unanswered
from aigateway.ledger.dynamodb.sdk import refused_by
from aigateway.ledger.expressions import Put
from aigateway.wire.aws_json import Document, read_answer
from aigateway.wire.messages import ResponseHead
from tests.contract.stand_in import at_once

ITEM = {"pk": {"S": "a"}, "sk": {"S": "b"}, "bytes": {"B": "AP8="}, "B": {"B": "AQ=="}}
MODEL = botocore.session.get_session().get_service_model("dynamodb")
OWN = ((b"x-amzn-requestid", b"R1"),)


@final
class Saying:
    """Answers operations one after another; a fault is raised."""

    def __init__(self, *answers: tuple[int, Document] | Exception) -> None:
        self.asked: list[tuple[str, Document]] = []
        self._answers = list(answers)

    async def call(self, operation: str, members: Document) -> Document:
        self.asked.append((operation, members))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return read_answer(DYNAMODB, ResponseHead(answer[0], OWN), json.dumps(answer[1]).encode())


def by_sdk(operation: str, status: int, said: Document) -> Any:  # noqa: ANN401 - as it is parsed
    shape = MODEL.shape_for(f"{operation}Output")
    response = {"headers": {}, "status_code": status, "body": json.dumps(said).encode()}
    found = create_parser("json").parse(response, shape)
    found.pop("ResponseMetadata", None)
    return found


ANSWERS: list[tuple[str, Document]] = [
    ("GetItem", {"Item": ITEM}),
    ("GetItem", {}),
    ("UpdateItem", {"Attributes": ITEM | {"n": {"N": "7"}, "s": {"SS": ["a"]}}}),
    ("Query", {"Items": [ITEM, ITEM], "Count": 2, "LastEvaluatedKey": {"pk": {"S": "a"}}}),
    ("Query", {"Items": [{"m": {"M": {"B": {"L": [{"B": ""}, {"BS": ["AA=="]}]}}}}]}),
    (
        "BatchGetItem",
        {
            "Responses": {"B": [ITEM]},
            "UnprocessedKeys": {"t": {"Keys": [{"pk": {"S": "a"}}], "ConsistentRead": True}},
        },
    ),
]


@pytest.mark.parametrize(("operation", "said"), ANSWERS)
async def test_an_answer_reads_as_the_sdk_reads_it(operation: str, said: Document) -> None:
    found = await Lean(Saying((200, said))).send(operation, {})
    assert found == by_sdk(operation, 200, said)


CANCELED = {
    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "Message": "Transaction cancelled",
    "CancellationReasons": [
        {"Code": "ConditionalCheckFailed", "Message": "The condition failed", "Item": ITEM},
        {"Code": "None"},
        {"Code": "TransactionConflict", "Message": None},
    ],
}
FAILED = {
    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    "message": "The conditional request failed",
    "Item": ITEM,
}


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("TransactWriteItems", CANCELED),
        ("UpdateItem", FAILED),
        ("UpdateItem", {key: FAILED[key] for key in ("__type", "message")}),
        ("PutItem", {"__type": "x#ValidationException", "message": "too large"}),
        ("PutItem", {"__type": "ThrottlingException", "Message": "slow"}),
    ],
)
async def test_a_refusal_reads_as_the_sdk_reads_it(operation: str, said: Document) -> None:
    with pytest.raises(Refused) as raised:
        await Lean(Saying((400, said))).send(operation, {})
    parsed = by_sdk_refused(operation, said)
    for name in ("refusal_code", "said", "reasons", "item", "is_condition", "is_passing"):
        assert getattr(raised.value, name) == getattr(parsed, name), name


def by_sdk_refused(operation: str, said: Document) -> Refused:
    """Read a refusal with botocore and PynamoDB's mapping of it."""
    code = said["__type"].rpartition("#")[2]
    shapes = [shape for shape in MODEL.error_shapes if shape.name == code]
    parser = create_parser("json")
    body = json.dumps(said).encode()
    parsed = parser.parse(
        {"headers": {}, "status_code": 400, "body": body}, MODEL.shape_for("PutItemOutput")
    )
    for shape in shapes:
        modeled = parser.parse({"headers": {}, "status_code": 200, "body": body}, shape)
        parsed |= {name: modeled[name] for name in modeled if name != "ResponseMetadata"}
    cause = botocore.exceptions.ClientError(parsed, operation)
    reasons = [
        CancellationReason(each["Code"], each.get("Message"), each.get("Item"))
        if each["Code"] != "None"
        else None
        for each in parsed.get("CancellationReasons", ())
    ]
    wrapped = VerboseClientError(
        {"Error": parsed["Error"]}, operation, cancellation_reasons=reasons
    )
    wrapped.__cause__ = cause
    return refused_by(wrapped)


async def test_no_answer_may_be_asked_again_with_the_same_request() -> None:
    saying = Saying(ServiceSilent("lost"), (200, {}))
    await Table("t", Lean(saying), at_once).put(Put({"pk": "a", "sk": "b"}))
    first, second = saying.asked
    assert first == second


async def test_a_transaction_keeps_its_token_when_its_answer_was_lost() -> None:
    saying = Saying(ServiceSilent("lost"), ServiceSilent("lost"), (200, {}))
    await Table("t", Lean(saying), at_once).transact([Put({"pk": "a", "sk": "b"})], "token")
    assert [members["ClientRequestToken"] for _, members in saying.asked] == ["token"] * 3


async def test_a_table_that_says_nothing_is_out_of_order() -> None:
    saying = Saying(*[ServiceSilent("lost")] * 3)
    with pytest.raises(RecorderUnavailable, match="did not answer after 3 tries") as raised:
        await Table("t", Lean(saying), at_once).read(("a", "b"))
    assert isinstance(raised.value.__cause__, Unanswered)


async def test_a_refusal_that_passes_is_asked_again_and_a_final_one_is_not() -> None:
    throttled = (400, {"__type": "x#ThrottlingException"})
    denied = (400, {"__type": "x#AccessDeniedException"})
    saying = Saying(throttled, denied)
    with pytest.raises(Refused, match="AccessDeniedException"):
        await Table("t", Lean(saying), at_once).read(("a", "b"))
    assert len(saying.asked) == 2


async def test_a_store_without_the_sdk_begins_with_its_own_requests() -> None:
    saying = Saying(*[(200, {})] * 9)
    store = DynamoStore("t", sending=Lean(saying), pause=at_once)
    await store.start()
    await store.stop()
    assert saying.asked[0][1]["TableName"] == "t"
