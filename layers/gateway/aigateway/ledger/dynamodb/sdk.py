"""The table through PynamoDB's connection, below its models, one thread a request.

Loading it takes longer than all else that a gateway loads: nobody imports this module before a
connection of it is wanted.

The SDK takes a body that it cannot read for an empty one: a cut answer would say that an item is
not there, and a page of something in between that it was written.
"""

import asyncio
import zlib
from typing import Any, final

from botocore.exceptions import BotoCoreError, ClientError, ResponseStreamingError
from pynamodb.connection import Connection

from aigateway.ledger.dynamodb.connection import CONNECT_SECONDS, READ_SECONDS, Answering
from aigateway.ledger.dynamodb.refusals import Reason, Refused, Unanswered
from aigateway.ledger.expressions import Item, from_item

SUCCESS = 200
LENGTH, CHECKSUM, REQUEST_ID = "content-length", "x-amz-crc32", "x-amzn-requestid"


@final
class _Checking(Connection):
    """Takes no answer that is not whole."""

    _checked: Any = None

    @property
    def client(self) -> Any:  # noqa: ANN401 - the SDK makes its clients' classes at run time
        made: Any = super().client
        if made is not self._checked:
            made.meta.events.register("before-parse.dynamodb", check, unique_id="whole")
            self._checked = made
        return made


def check(response_dict: dict[str, Any], **_: object) -> None:
    """Look whether an answer is whole, and the service's own, before the SDK reads it.

    Raises ``ResponseStreamingError``.
    """
    body, headers = response_dict["body"], response_dict["headers"]
    if int(headers.get(LENGTH, len(body))) != len(body):
        raise ResponseStreamingError(error="it was cut")
    if CHECKSUM in headers and int(headers[CHECKSUM]) != zlib.crc32(body):
        raise ResponseStreamingError(error="it was changed")
    if response_dict["status_code"] == SUCCESS and REQUEST_ID not in headers:
        raise ResponseStreamingError(error="it is not the service's")


def connected() -> Connection:
    """Return a connection with our time-outs; region, endpoint and keys are the SDK's to find.

    Its own retries are off, because what may be repeated depends on the call.
    """
    return _Checking(
        connect_timeout_seconds=CONNECT_SECONDS,
        read_timeout_seconds=READ_SECONDS,
        retry_configuration={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=32,
    )


@final
class Sdk:
    """Sends what a table asks for through a connection that blocks."""

    def __init__(self, connection: Answering) -> None:
        self._connection = connection

    async def send(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return await asyncio.to_thread(self._connection.dispatch, operation, request)
        except ClientError as error:
            raise refused_by(error) from error
        except (BotoCoreError, RuntimeError) as error:  # RuntimeError: renewed, and expired
            raise Unanswered("the table did not answer") from error


def refused_by(error: ClientError) -> Refused:
    """Read a refusal; the old item of a single write stands in the answer PynamoDB wrapped."""
    said = error.response.get("Error", {})
    reasons = tuple(
        Reason("None")
        if reason is None
        else Reason(reason.code, reason.message or "", _plain(reason.raw_item))
        for reason in getattr(error, "cancellation_reasons", ())
    )
    wrapped = error.__cause__ if isinstance(error.__cause__, ClientError) else error
    item: Any = wrapped.response.get("Item")
    return Refused(said.get("Code", ""), said.get("Message", ""), reasons, _plain(item))


def _plain(item: Any) -> Item | None:  # noqa: ANN401 - whatever the library hands on
    return from_item(item) if item else None
