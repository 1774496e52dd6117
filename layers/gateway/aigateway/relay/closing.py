"""What a closing record says: the response's own words, unless the transport knows better."""

from datetime import datetime

from aigateway.errors import Answerable, UpstreamTimeout
from aigateway.interception import Closed, Opened
from aigateway.relay.scribe import Scribe, provider_request_id
from aigateway.transcript.facts import Ended, ErrorType, Outcome, TokenUsage
from aigateway.wire.messages import ResponseHead

SUCCESSES = range(200, 300)
BAD_REQUESTS = range(400, 500)
BAD_REQUEST_CODES = frozenset({"invalid_json", "background_not_supported"})


def closed_by_refusal(opened: Opened, error: Answerable, at: datetime) -> Closed:
    """Close a record whose answer is the gateway's own error."""
    kind: ErrorType = "server_error"
    if error.code in BAD_REQUEST_CODES:
        kind = "bad_request"
    elif isinstance(error, UpstreamTimeout):
        kind = "timeout"
    return Closed(
        id=opened.id, outcome="failed", ended_at=at, error_type=kind, error_message=str(error)
    )


def closed_by_scribe(
    opened: Opened,
    scribe: Scribe | None,
    head: ResponseHead | None,
    *,
    ended_at: datetime,
    first_byte_at: datetime | None,
    delivered_bytes: int,
    stopped: Outcome | None,
    credential_hint: str | None,
) -> Closed:
    """Close a record with what the scribe heard.

    ``stopped`` is the outcome where the exchange was stopped from outside. A client that hangs
    up after the terminal event has its whole answer: that stays completed.
    """
    if scribe is None or head is None:
        outcome = stopped or "client_disconnected"
        return Closed(
            id=opened.id,
            outcome=outcome,
            ended_at=ended_at,
            error_type=_stopped_type(outcome),
            usage_missing=True,
        )
    ended = _ended(scribe, head, stopped)
    answered = scribe.answered
    usages = [row.fact for row in scribe.rows if isinstance(row.fact, TokenUsage)]
    return Closed(
        id=opened.id,
        outcome=ended.outcome,
        ended_at=ended_at,
        error_type=ended.error_type,
        error_message=ended.message,
        http_status=head.status,
        provider_request_id=provider_request_id(head),
        provider_response_id=answered.response_id if answered else None,
        provider_model=answered.model if answered else None,
        stop_reason=ended.stop_reason,
        first_byte_at=first_byte_at,
        response_bytes=scribe.heard_bytes,
        undelivered_bytes=scribe.heard_bytes - delivered_bytes,
        key_attempts=1,
        credential_hint=credential_hint,
        usage_missing=not usages and head.status in SUCCESSES,
        usage_partial=any(usage.partial for usage in usages),
        deaf=scribe.deaf,
        notes=answered.notes if answered else {},
        rows=tuple(scribe.rows),
    )


def _ended(scribe: Scribe, head: ResponseHead, stopped: Outcome | None) -> Ended:
    own = scribe.ended
    if own is None or (scribe.deaf is not None and own.outcome == "upstream_cut"):
        own = _unheard(head)
    if stopped is None or own.outcome in ("completed", "failed"):
        return own
    return Ended(stopped, head.status, _stopped_type(stopped), None, own.stop_reason)


def _unheard(head: ResponseHead) -> Ended:
    """Return what the status alone says, where the body could not be followed."""
    if head.status in SUCCESSES:
        return Ended("completed", head.status, None, None, None)
    kind: ErrorType = "unknown" if head.status in BAD_REQUESTS else "server_error"
    return Ended("failed", head.status, kind, None, None)


def _stopped_type(outcome: Outcome) -> ErrorType | None:
    return "timeout" if outcome == "gateway_timeout" else None
