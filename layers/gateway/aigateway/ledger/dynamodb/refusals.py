"""What the service refuses, read out of the library's exceptions, and answers that are none.

The SDK takes a body that it cannot read for an empty one: a cut answer would say that an item is
not there, and a page of something in between that it was written.
"""

import zlib
from dataclasses import dataclass
from typing import Any, final

from botocore.exceptions import ClientError, ResponseStreamingError

from aigateway.errors import RecorderUnavailable
from aigateway.ledger.expressions import Item, from_item

CONDITION_FAILED = "ConditionalCheckFailedException"
CANCELED = "TransactionCanceledException"
INVALID = "ValidationException"
TRANSIENT = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "ThrottlingError",
        "TransactionConflictException",
        "TransactionInProgressException",
        *("429", "500", "502", "503", "504"),
    }
)
"""Answers that may be another one a moment later (DynamoDB API reference, "Error handling").

Numbers are the status of an answer that names no error: something in between has given it.
"""
TRANSIENT_REASONS = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError"})


@final
@dataclass(frozen=True, slots=True)
class Reason:
    """Why one action of a transaction did not happen; the code is ``None`` for the innocent."""

    code: str
    message: str = ""
    item: Item | None = None


class Refused(RecorderUnavailable):
    """The service said no, and would say it again.

    Callers that expect it look at ``code``; for all others it is a store that is out of order.
    ``item`` is the stored one of a condition that failed, if that was asked for.
    ``is_repeat``: an earlier try of the same request had no final answer, and may have arrived.
    """

    def __init__(
        self, refusal_code: str, message: str, reasons: tuple[Reason, ...], item: Item | None
    ) -> None:
        super().__init__(f"the table refused the request: {refusal_code}")
        self.refusal_code = refusal_code
        self.said = message
        self.reasons = reasons
        self.item = item
        self.is_repeat = False

    @property
    def is_condition(self) -> bool:
        return self.refusal_code == CONDITION_FAILED

    @property
    def is_passing(self) -> bool:
        """It may be another answer a moment later, also that of a transaction on a busy table."""
        if self.refusal_code in TRANSIENT:
            return True
        codes = {reason.code for reason in self.reasons} - {"None"}
        return self.refusal_code == CANCELED and bool(codes) and codes <= TRANSIENT_REASONS


SUCCESS = 200
LENGTH, CHECKSUM, REQUEST_ID = "content-length", "x-amz-crc32", "x-amzn-requestid"


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
