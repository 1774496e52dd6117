"""The table through PynamoDB's connection, below its models, one thread a request.

Loading it takes longer than all else that a gateway loads: nobody imports this module before a
connection of it is wanted.
"""

import asyncio
from typing import Any, final

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.connection import Connection

from aigateway.ledger.dynamodb.connection import CONNECT_SECONDS, READ_SECONDS, Answering
from aigateway.ledger.dynamodb.refusals import Reason, Refused, Unanswered
from aigateway.ledger.expressions import Item, from_item


def connected() -> Connection:
    """Return a connection with our time-outs; region, endpoint and keys are the SDK's to find.

    Its own retries are off, because what may be repeated depends on the call.
    """
    return Connection(
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
        except BotoCoreError as error:
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
