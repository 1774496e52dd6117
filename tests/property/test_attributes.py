"""Items as JSON without the SDK: what is sent is what the SDK sends, and it comes back whole."""

import json
from typing import Any

import botocore.session
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as some

from aigateway.ledger.dynamodb.lean import DYNAMODB
from aigateway.ledger.expressions import from_item, to_item
from aigateway.wire.aws_json import body_of, read_answer
from aigateway.wire.messages import ResponseHead

MODEL = botocore.session.get_session().get_service_model("dynamodb")
OWN = ((b"x-amzn-requestid", b"R1"),)
NAMES = some.one_of(
    some.sampled_from(["B", "BS", "S", "M", "L", "NULL", "__type"]), some.text(max_size=8)
)
PLAIN = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(),
    some.text(max_size=12),
    some.binary(max_size=12),
    some.frozensets(some.text(min_size=1, max_size=4), min_size=1, max_size=3),
)
VALUES = some.recursive(
    PLAIN,
    lambda inner: some.one_of(
        some.lists(inner, max_size=4), some.dictionaries(NAMES, inner, max_size=4)
    ),
    max_leaves=12,
)
ITEMS = some.dictionaries(NAMES, VALUES, max_size=5)


@given(ITEMS)
def test_an_item_comes_back_as_it_was_sent(item: dict[str, Any]) -> None:
    sent = body_of({"Item": to_item(item)})
    answer = read_answer(DYNAMODB, ResponseHead(200, OWN), sent)
    assert from_item(answer["Item"]) == item


@given(ITEMS)
def test_what_is_sent_is_what_the_sdk_sends(item: dict[str, Any]) -> None:
    operation = MODEL.operation_model("PutItem")
    request = {"TableName": "t", "Item": to_item(item)}
    made = create_serializer("json").serialize_to_request(request, operation)
    assert json.loads(body_of(request)) == json.loads(made["body"])


@given(ITEMS)
def test_what_is_answered_is_what_the_sdk_makes_of_it(item: dict[str, Any]) -> None:
    body = body_of({"Item": to_item(item)})
    shape = MODEL.shape_for("GetItemOutput")
    response = {"headers": {}, "status_code": 200, "body": body}
    parsed = create_parser("json").parse(response, shape)
    found = read_answer(DYNAMODB, ResponseHead(200, OWN), body)
    assert found["Item"] == parsed["Item"]
