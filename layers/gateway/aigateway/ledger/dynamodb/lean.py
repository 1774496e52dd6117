"""The table without the SDK: our values to DynamoDB's JSON, and its refusals to ours."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, final

from aigateway.errors import ServiceRefused, ServiceSilent
from aigateway.ledger.dynamodb.refusals import Reason, Refused, Unanswered
from aigateway.ledger.expressions import Item, from_item
from aigateway.wire.aws_json import AwsCalls, AwsService


def as_attribute(found: dict[str, Any]) -> dict[str, Any]:
    """Decode the bytes in an attribute value.

    An item or a map whose one attribute is called ``B`` is not meant: what that holds is an
    attribute value, never a text.
    """
    if len(found) == 1:
        if isinstance(text := found.get("B"), str):
            return {"B": b64decode(text)}
        if isinstance(texts := found.get("BS"), list):
            return {"BS": [b64decode(text) for text in texts]}
    return found


DYNAMODB = AwsService("dynamodb", "DynamoDB_20120810", "1.0", as_attribute)


@final
class Lean:
    """Sends what a table asks for over the gateway's own transport."""

    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    async def send(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._calls.call(operation, request)
        except ServiceRefused as refused:
            raise refused_by(refused) from None
        except ServiceSilent as silent:
            raise Unanswered("the table did not answer") from silent


def refused_by(refused: ServiceRefused) -> Refused:
    """Read a refusal (DynamoDB API reference, "TransactWriteItems" and "UpdateItem", "Errors")."""
    said = refused.document
    reasons = tuple(
        Reason(
            str(each.get("Code", "None")), str(each.get("Message") or ""), _plain(each.get("Item"))
        )
        for each in said.get("CancellationReasons") or ()
    )
    message = str(said.get("message") or said.get("Message") or "")
    return Refused(refused.refusal_code, message, reasons, _plain(said.get("Item")))


def _plain(item: Mapping[str, Any] | None) -> Item | None:
    return from_item(item) if item else None
