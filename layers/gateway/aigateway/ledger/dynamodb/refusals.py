"""What the service refuses, and what it leaves unanswered, whoever asks it."""

from dataclasses import dataclass
from typing import final

from aigateway.errors import RecorderUnavailable
from aigateway.ledger.expressions import Item

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


class Unanswered(RecorderUnavailable):
    """No answer, or none that can be read: the request may have been carried out."""
