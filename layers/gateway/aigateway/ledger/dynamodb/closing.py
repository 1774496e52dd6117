"""The transaction that closes a record: record, session and counters together, or nothing.

It is sent until the service has decided. Another transaction on the same session or counter only
delays it: the repeat counts on another item of the same counter. An item that grew too large
makes it repeat in its bounded form, so that no text from outside can keep a record open.
"""

import secrets
from dataclasses import dataclass
from typing import final

from aigateway.errors import RecorderUnavailable
from aigateway.interception import Closed, Opened
from aigateway.ledger.dynamodb.connection import Table
from aigateway.ledger.dynamodb.refusals import INVALID, Refused
from aigateway.ledger.expressions import Item, Put, Write
from aigateway.ledger.moves import (
    COMBINATIONS,
    combination,
    counters_moved,
    record_closed,
    session_closed,
)
from aigateway.steps import Step

ATTEMPTS = 6
SUB_ITEMS = 7
"""Counters beside the first one, on which a storm of closings spreads."""


@final
@dataclass(frozen=True, slots=True)
class Known:
    """What this process knows of a session: its combinations and the day it was pointed to."""

    combinations: frozenset[str]
    is_full: bool
    day: str

    @classmethod
    def of(cls, item: Item, day: str) -> "Known":
        return cls(item.get("cb", frozenset()), "cx" in item, day)


@final
@dataclass(frozen=True, slots=True)
class Closing:
    """One call of ``close``: everything that stays the same over its attempts.

    ``texts`` take the place of whatever is there, with the record or not at all.
    """

    opened: Opened
    closed: Closed
    steps: tuple[Step, ...]
    parts: str
    own: str
    session: Item | None
    known: Known | None
    list_shards: int
    texts: tuple[Put, ...] = ()

    def writes(self, sub_item: int, *, is_bounded: bool) -> list[Write]:
        """Return the actions of the transaction, the record's first."""
        known, word = self.known, combination(self.opened)
        combinations = known.combinations if known else frozenset()
        session = session_closed(
            self.opened,
            self.closed,
            self.list_shards,
            self.session,
            is_bounded=is_bounded,
            is_new=word not in combinations and not (known and known.is_full),
            is_full=len(combinations) >= COMBINATIONS,
        )
        record = record_closed(self.opened, self.closed, self.parts, self.own)
        counters = counters_moved(self.steps, sub_item, is_bounded=is_bounded)
        return [record, session, *counters, *self.texts]


async def committed(table: Table, closing: Closing) -> bool:
    """Send the transaction until it is decided: whether this call closed the record.

    The same content keeps its token. Raises ``RecorderUnavailable``.
    """
    sub_item, is_bounded, token = 0, False, secrets.token_hex(16)
    fault: RecorderUnavailable | None = None
    for attempt in range(ATTEMPTS):
        if attempt:
            await table.pause()
        writes = closing.writes(sub_item, is_bounded=is_bounded)
        try:
            await table.transact(writes, token, attempts=1)
        except Refused as refused:
            if _is_lost(refused):
                item = refused.reasons[0].item
                return item is not None and item.get("cw") == closing.own
            is_too_large = _is_too_large(refused) and not is_bounded
            if not is_too_large and not _may_pass(refused):
                raise
            is_bounded = is_bounded or is_too_large
            sub_item = sub_item if is_too_large else 1 + secrets.randbelow(SUB_ITEMS)
            token, fault = secrets.token_hex(16), refused
        except RecorderUnavailable as unanswered:
            fault = unanswered
        else:
            return True
    raise RecorderUnavailable("the closing was not acknowledged") from fault


def _is_lost(refused: Refused) -> bool:
    """Another call closed the record, or it was never there."""
    return bool(refused.reasons) and refused.reasons[0].code == "ConditionalCheckFailed"


def _is_too_large(refused: Refused) -> bool:
    reasons = [reason.message for reason in refused.reasons if reason.code == "ValidationError"]
    said = [refused.said] if refused.refusal_code == INVALID else reasons
    return any("size" in message.lower() for message in said)


def _may_pass(refused: Refused) -> bool:
    """Another transaction was on the session or the counter, or a token meant something else."""
    codes = {reason.code for reason in refused.reasons}
    return (
        "TransactionConflict" in codes
        or refused.refusal_code == "IdempotentParameterMismatchException"
    )
