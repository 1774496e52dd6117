"""Every exception raised on purpose.

    GatewayError
    ├── Refusal                    this request is not served; has a status and a code
    │   ├── MissingKey, InvalidKey, MissingOwnKey                     401
    │   ├── NotAllowed, ByokDisabled                                  403
    │   ├── RouteNotSupported                                         404
    │   ├── MethodNotAllowed                                          405
    │   ├── RequestTimeout                                            408
    │   ├── RequestTooLarge                                           413
    │   ├── WebSocketNotSupported                                     426
    │   ├── GatewayRateLimited                                        429
    │   ├── HeadTooLarge                                              431
    │   ├── MalformedRequest, InvalidJson, UnreadableBody             400
    │   ├── BackgroundNotSupported                                    501
    │   ├── ProviderDisabled, ProviderBroken, ProviderConfigUnavailable,
    │   │   GatewayDisabled, AtCapacity                               503
    │   └── InternalError                                             500
    ├── UpstreamFault              the provider could not be reached or broke off
    │   ├── UpstreamUnreachable                                       502
    │   ├── UpstreamTimeout                                           504
    │   ├── KeyPoolExhausted       every key cools                    429
    │   ├── KeyPoolUnauthorized    or is none any more                502
    │   ├── CircuitOpen            it was not asked at all            503
    │   ├── CredentialsUnavailable                                    503
    │   └── UpstreamCut            the head is out already: no status
    ├── LedgerFault                a record could not be written or read
    │   ├── RecorderUnavailable, AuthUnavailable                      503
    │   ├── CursorInvalid          a cursor that was altered, or is another caller's
    │   └── Conflict               a conditional write found another value
    ├── PoolFault                  provider configuration
    │   ├── RowInvalid, NoSnapshot, SnapshotUnreadable
    │   └── SecretUnavailable, and of it SecretStoreUnavailable
    ├── Misheard                   the copy of a stream cannot be followed; only the scribe sees it
    ├── EventStreamDamaged         bytes of an AWS event stream that are none: becomes UpstreamCut
    ├── ServiceFault               an AWS service that is asked without its SDK
    │   └── ServiceRefused, ServiceSilent
    └── SettingsError              variables missing or wrong, all at once

A message says what was expected and what was found, never a body, a key or a header value.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal


class GatewayError(Exception):
    """Root of the tree above."""


class Answerable(GatewayError):
    """An error that a client gets to see, in the shape of its dialect.

    ``anthropic_type`` and ``openai_type`` are the vendors' own words for the kind of error;
    without them the status decides. ``openai_code`` stands in for ``code`` in OpenAI's bodies.
    ``cured_by_time`` false sends ``x-should-retry: false``, which the vendors' SDKs obey;
    ``retry_after`` is in whole seconds.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    anthropic_type: ClassVar[str | None] = None
    openai_type: ClassVar[str | None] = None
    openai_code: ClassVar[str | None] = None
    cured_by_time: ClassVar[bool] = False
    retry_after: int | None = None


class Refusal(Answerable):
    """A request that is not served."""


class MissingKey(Refusal):
    status, code = 401, "missing_gateway_key"
    anthropic_type, openai_type = "authentication_error", "invalid_request_error"


class InvalidKey(Refusal):
    status, code = 401, "invalid_gateway_key"
    anthropic_type, openai_type = "authentication_error", "invalid_request_error"


class MissingOwnKey(Refusal):
    """The provider takes only the caller's own credential, and there is none."""

    status, code = 401, "missing_provider_key"
    anthropic_type, openai_type = "authentication_error", "invalid_request_error"


class NotAllowed(Refusal):
    status, code = 403, "not_allowed"
    anthropic_type = openai_type = "permission_error"


class ByokDisabled(Refusal):
    status, code = 403, "byok_disabled"
    anthropic_type = openai_type = "permission_error"


class RouteNotSupported(Refusal):
    status, code = 404, "route_not_supported"
    anthropic_type, openai_type = "not_found_error", "invalid_request_error"


class MethodNotAllowed(Refusal):
    """``allow`` lists the methods that the route takes, for the header of that name."""

    status, code = 405, "method_not_allowed"

    def __init__(self, message: str, allow: Sequence[str]) -> None:
        super().__init__(message)
        self.allow = tuple(allow)


class MalformedRequest(Refusal):
    """What came is not HTTP/1.1, or could be read in two ways."""

    status, code = 400, "malformed_request"


class RequestTimeout(Refusal):
    status, code = 408, "request_timeout"
    cured_by_time = True


class HeadTooLarge(Refusal):
    status, code = 431, "head_too_large"


class RequestTooLarge(Refusal):
    status, code = 413, "request_too_large"
    anthropic_type, openai_type = "request_too_large", "invalid_request_error"


class WebSocketNotSupported(Refusal):
    status, code = 426, "websocket_not_supported"


class InvalidJson(Refusal):
    status, code = 400, "invalid_json"


class UnreadableBody(Refusal):
    status, code = 400, "unreadable_body"


class BackgroundNotSupported(Refusal):
    status, code = 501, "background_not_supported"
    anthropic_type, openai_type = "api_error", "invalid_request_error"


class ProviderDisabled(Refusal):
    status, code = 503, "provider_disabled"


class ProviderBroken(Refusal):
    status, code = 503, "provider_error"


class ProviderConfigUnavailable(Refusal):
    status, code = 503, "provider_config_unavailable"
    cured_by_time, retry_after = True, 2


class GatewayDisabled(Refusal):
    status, code = 503, "gateway_disabled"


class AtCapacity(Refusal):
    status, code = 503, "at_capacity"
    anthropic_type = "overloaded_error"
    cured_by_time, retry_after = True, 1


class GatewayRateLimited(Refusal):
    status, code = 429, "gateway_rate_limited"
    anthropic_type = openai_type = "rate_limit_error"
    cured_by_time, retry_after = True, 1


class InternalError(Refusal):
    status, code = 500, "internal_error"
    cured_by_time = True


class UpstreamFault(Answerable):
    """The provider could not be reached or broke off."""

    cured_by_time = True


class UpstreamUnreachable(UpstreamFault):
    status, code = 502, "upstream_unreachable"


class UpstreamTimeout(UpstreamFault):
    status, code = 504, "upstream_timeout"
    anthropic_type = "timeout_error"


class KeyPoolExhausted(UpstreamFault):
    """Every key of the provider cools; ``retry_after`` is the shortest wait for a limited one."""

    status, code = 429, "key_pool_exhausted"
    anthropic_type = openai_type = "rate_limit_error"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class KeyPoolUnauthorized(UpstreamFault):
    status, code = 502, "key_pool_unauthorized"
    cured_by_time = False


class CircuitOpen(UpstreamFault):
    """The provider failed too often of late; ``retry_after`` is how long a circuit stays open."""

    status, code = 503, "circuit_open"
    anthropic_type, openai_code = "overloaded_error", "service_unavailable"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CredentialsUnavailable(UpstreamFault):
    """There are no AWS credentials to sign a request with."""

    status, code = 503, "credentials_unavailable"
    retry_after = 2


class UpstreamCut(UpstreamFault):
    """The provider broke off after its head: bytes are out, so there is nothing to answer."""

    status, code = 502, "upstream_cut"


class LedgerFault(Answerable):
    """A record could not be written or read."""

    status, code = 503, "ledger_unavailable"
    cured_by_time = True
    retry_after: int | None = 1


class RecorderUnavailable(LedgerFault):
    code = "recorder_unavailable"


class AuthUnavailable(LedgerFault):
    code = "auth_unavailable"


class CursorInvalid(LedgerFault):
    status, code = 400, "invalid_cursor"
    cured_by_time, retry_after = False, None


class Conflict(LedgerFault):
    """A conditional write found another value: a name that is taken, a version that moved."""

    status, code = 409, "conflict"
    cured_by_time, retry_after = False, None


class PoolFault(GatewayError):
    """Provider configuration."""


class RowInvalid(PoolFault):
    """A provider row cannot be built; the message is the reason shown to administrators."""


class SecretUnavailable(PoolFault):
    """A provider key cannot be read."""


class SecretStoreUnavailable(SecretUnavailable):
    """No provider key can be read: their store does not answer, or is none."""


class SnapshotUnreadable(PoolFault):
    """What is published as the pool is damaged; the message says how."""


class NoSnapshot(PoolFault):
    """No pool has been published yet."""


MisheardReason = Literal[
    "frame_too_large",
    "not_json",
    "too_deep",
    "unknown_encoding",
    "broken_encoding",
    "decoded_too_large",
    "facts_too_large",
]


class Misheard(GatewayError):
    """The copy of a body cannot be followed any further. Costs facts, never a response."""

    def __init__(self, reason: MisheardReason) -> None:
        super().__init__(reason)
        self.reason: MisheardReason = reason


class EventStreamDamaged(GatewayError):
    """Bytes that are no AWS event stream, or not any more."""


class ServiceFault(GatewayError):
    """An AWS service did not do what it was asked for, or nobody knows whether it did."""


class ServiceRefused(ServiceFault):
    """It said no. ``document`` is all that it said, and may hold what was sent."""

    def __init__(self, refusal_code: str, document: Mapping[str, Any]) -> None:
        super().__init__(f"the service refused the request: {refusal_code}")
        self.refusal_code = refusal_code
        self.document = document


class ServiceSilent(ServiceFault):
    """No answer, or none that can be read: the request may have been carried out."""


class SettingsError(GatewayError):
    """Environment variables that are missing or wrong, all of them at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
