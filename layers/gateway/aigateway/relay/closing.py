"""What a closing record says: the response's own words, unless the transport knows better."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import final

from aigateway.errors import Answerable
from aigateway.interception import Closed, Opened
from aigateway.relay.scribe import Scribe, provider_request_id
from aigateway.relay.upstream import Judge, KeysUsed
from aigateway.transcript.endings import error_type_of_status
from aigateway.transcript.facts import Ended, ErrorType, Outcome, TokenUsage
from aigateway.wire.messages import ResponseHead

SUCCESSES = range(200, 300)
GOING_ON = ("queued", "in_progress")
"""A response that was asked for in the background is over for us: its result comes elsewhere."""

KINDS: Mapping[str, ErrorType] = {
    "invalid_json": "bad_request",
    "background_not_supported": "bad_request",
    "upstream_timeout": "timeout",
    "key_pool_exhausted": "rate_limited",
    "key_pool_unauthorized": "unauthorized",
    "circuit_open": "overloaded",
}
"""Kinds of our own errors by their codes; the others are the server's."""

NO_KEYS = KeysUsed(None, 0)


def closed_by_refusal(
    opened: Opened, error: Answerable, at: datetime, keys: KeysUsed = NO_KEYS
) -> Closed:
    """Close a record whose answer is the gateway's own error; ``keys``: it was tried with them."""
    return Closed(
        id=opened.id,
        outcome="failed",
        ended_at=at,
        error_type=KINDS.get(error.code, "server_error"),
        error_message=str(error),
        http_status=keys.status,
        key_attempts=keys.tried,
        credential_hint=keys.hint,
    )


@final
@dataclass(slots=True)
class Progress:
    """What an exchange has come to so far.

    ``delivered_bytes`` counts what the client needs no more, the withheld chunk included.
    ``stopped`` is the outcome where it was stopped from outside; ``unreachable`` says that the
    client could not be written to any more. ``judge`` waits for the end.
    """

    scribe: Scribe | None = None
    head: ResponseHead | None = None
    first_byte_at: datetime | None = None
    delivered_bytes: int = 0
    stopped: Outcome | None = None
    unreachable: bool = False
    judge: Judge | None = None


def closed_by_scribe(
    opened: Opened,
    progress: Progress,
    *,
    ended_at: datetime,
    keys: KeysUsed,
    cut: bool = False,
) -> Closed:
    """Close a record with what the scribe heard.

    ``cut`` says that the provider broke off. A client that hangs up after the terminal event has
    its whole answer: that stays completed.
    """
    scribe, head = progress.scribe, progress.head
    if scribe is None or head is None:
        outcome = progress.stopped or "client_disconnected"
        return Closed(
            id=opened.id,
            outcome=outcome,
            ended_at=ended_at,
            error_type=_stopped_type(outcome),
            key_attempts=keys.tried,
            credential_hint=keys.hint,
            usage_missing=True,
        )
    stopped = progress.stopped or ("upstream_cut" if cut else None)
    ended = _ended(opened, scribe, head, stopped)
    answered = scribe.answered
    usages = [row.fact for row in scribe.rows if isinstance(row.fact, TokenUsage)]
    return Closed(
        id=opened.id,
        outcome=ended.outcome,
        ended_at=ended_at,
        error_type=ended.error_type,
        error_message=keys.hidden_in(ended.message) if ended.message is not None else None,
        http_status=head.status,
        provider_request_id=provider_request_id(head),
        provider_response_id=answered.response_id if answered else None,
        provider_model=answered.model if answered else None,
        stop_reason=ended.stop_reason,
        first_byte_at=progress.first_byte_at,
        response_bytes=scribe.heard_bytes,
        undelivered_bytes=scribe.heard_bytes - progress.delivered_bytes,
        key_attempts=keys.tried,
        credential_hint=keys.hint,
        usage_missing=not usages and head.status in SUCCESSES,
        usage_partial=any(usage.partial for usage in usages),
        deaf=scribe.deaf,
        notes=answered.notes if answered else {},
        rows=tuple(scribe.rows),
    )


def _ended(opened: Opened, scribe: Scribe, head: ResponseHead, stopped: Outcome | None) -> Ended:
    own = scribe.ended
    if own is not None and own.stop_reason in GOING_ON and opened.metadata.get("background"):
        return Ended("completed", head.status, None, None, own.stop_reason)
    if own is not None and own.outcome in ("completed", "failed"):
        return own
    if head.status not in SUCCESSES:
        kind = error_type_of_status(head.status, opened.dialect)
        return Ended("failed", head.status, kind, None, None)
    if stopped is not None:
        reason = own.stop_reason if own else None
        return Ended(stopped, head.status, _stopped_type(stopped), None, reason)
    if own is None or scribe.deaf is not None:
        return Ended("completed", head.status, None, None, None)
    return own


def _stopped_type(outcome: Outcome) -> ErrorType | None:
    kinds: Mapping[Outcome, ErrorType] = {
        "gateway_timeout": "timeout",
        "upstream_cut": "server_error",
    }
    return kinds.get(outcome)
