"""Our own errors: status, type in each dialect, code, headers."""

import json
from collections.abc import Iterator

import pytest

from aigateway import errors
from aigateway.errors import Answerable, MethodNotAllowed
from aigateway.relay.refusals import Shape, json_answer, refused, shape_of
from aigateway.transcript.facts import Dialect

AUTH, ASKED, SERVER = "authentication_error", "invalid_request_error", "server_error"
API, FORBIDDEN, RATE = "api_error", "permission_error", "rate_limit_error"
NEVER = {"x-should-retry": "false"}

TABLE: list[tuple[Answerable, int, str, str, str, dict[str, str]]] = [
    (errors.MissingKey("m"), 401, AUTH, ASKED, "missing_gateway_key",
     NEVER | {"www-authenticate": "Bearer"}),
    (errors.InvalidKey("m"), 401, AUTH, ASKED, "invalid_gateway_key",
     NEVER | {"www-authenticate": "Bearer"}),
    (errors.MissingOwnKey("m"), 401, AUTH, ASKED, "missing_provider_key",
     NEVER | {"www-authenticate": "Bearer"}),
    (errors.AuthUnavailable("m"), 503, API, SERVER, "auth_unavailable", {"retry-after": "1"}),
    (errors.NotAllowed("m"), 403, FORBIDDEN, FORBIDDEN, "not_allowed", NEVER),
    (errors.ByokDisabled("m"), 403, FORBIDDEN, FORBIDDEN, "byok_disabled", NEVER),
    (errors.RouteNotSupported("m"), 404, "not_found_error", ASKED, "route_not_supported", NEVER),
    (errors.ProviderDisabled("m"), 503, API, SERVER, "provider_disabled", NEVER),
    (errors.ProviderBroken("m"), 503, API, SERVER, "provider_error", NEVER),
    (errors.GatewayDisabled("m"), 503, API, SERVER, "gateway_disabled", NEVER),
    (errors.ProviderConfigUnavailable("m"), 503, API, SERVER, "provider_config_unavailable",
     {"retry-after": "2"}),
    (errors.RequestTooLarge("m"), 413, "request_too_large", ASKED, "request_too_large", NEVER),
    (errors.RequestTimeout("m"), 408, ASKED, ASKED, "request_timeout", {}),
    (errors.HeadTooLarge("m"), 431, ASKED, ASKED, "head_too_large", NEVER),
    (errors.MalformedRequest("m"), 400, ASKED, ASKED, "malformed_request", NEVER),
    (errors.InvalidJson("m"), 400, ASKED, ASKED, "invalid_json", NEVER),
    (errors.UnreadableBody("m"), 400, ASKED, ASKED, "unreadable_body", NEVER),
    (MethodNotAllowed("m", ("POST",)), 405, ASKED, ASKED, "method_not_allowed",
     NEVER | {"allow": "POST"}),
    (MethodNotAllowed("m", ("GET", "DELETE")), 405, ASKED, ASKED, "method_not_allowed",
     NEVER | {"allow": "GET, DELETE"}),
    (errors.WebSocketNotSupported("m"), 426, ASKED, ASKED, "websocket_not_supported",
     NEVER | {"upgrade": "HTTP/1.1"}),
    (errors.BackgroundNotSupported("m"), 501, API, ASKED, "background_not_supported", NEVER),
    (errors.AtCapacity("m"), 503, "overloaded_error", SERVER, "at_capacity", {"retry-after": "1"}),
    (errors.GatewayRateLimited("m"), 429, "rate_limit_error", "rate_limit_error",
     "gateway_rate_limited", {"retry-after": "1"}),
    (errors.RecorderUnavailable("m"), 503, API, SERVER, "recorder_unavailable",
     {"retry-after": "1"}),
    (errors.UpstreamUnreachable("m"), 502, API, SERVER, "upstream_unreachable", {}),
    (errors.CredentialsUnavailable("m"), 503, API, SERVER, "credentials_unavailable",
     {"retry-after": "2"}),
    (errors.UpstreamTimeout("m"), 504, "timeout_error", SERVER, "upstream_timeout", {}),
    (errors.KeyPoolExhausted("m", 9), 429, RATE, RATE, "key_pool_exhausted", {"retry-after": "9"}),
    (errors.KeyPoolUnauthorized("m"), 502, API, SERVER, "key_pool_unauthorized", NEVER),
    (errors.CircuitOpen("m", 30), 503, "overloaded_error", SERVER, "circuit_open",
     {"retry-after": "30"}),
    (errors.InternalError("m"), 500, API, SERVER, "internal_error", {}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "status", "anthropic", "openai", "code", "headers"), TABLE)
def test_every_refusal_in_both_shapes(
    error: Answerable,
    status: int,
    anthropic: str,
    openai: str,
    code: str,
    headers: dict[str, str],
) -> None:
    always = {"content-type": "application/json", "x-ai-gateway-error": code}
    inner = "service_unavailable" if code == "circuit_open" else code
    bodies: dict[Shape, object] = {
        "anthropic": {
            "type": "error",
            "error": {"type": anthropic, "message": "m"},
            "request_id": "r1",
        },
        "openai": {"error": {"message": "m", "type": openai, "param": None, "code": inner}},
    }
    for shape, body in bodies.items():
        answer = refused(error, shape, "r1")
        assert answer.status == status
        assert json.loads(answer.body) == body
        assert dict(answer.headers) == {
            name.encode(): value.encode() for name, value in (always | headers).items()
        }


def answerable(kind: type[Answerable] = Answerable) -> Iterator[type[Answerable]]:
    """Yield what ``errors`` defines; other rooms may have answers of their own."""
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from answerable(child)


def test_the_table_is_complete() -> None:
    elsewhere = {
        errors.Refusal,
        errors.UpstreamFault,
        errors.LedgerFault,
        errors.UpstreamCut,  # bytes are out: nothing is answered
        errors.CursorInvalid,  # only the sessions API
        errors.Conflict,
    }
    assert {type(row[0]) for row in TABLE} == set(answerable()) - elsewhere


def test_codes_are_each_of_one_error() -> None:
    codes = [kind.code for kind in answerable() if "code" in vars(kind)]
    assert len(codes) == len(set(codes))


def test_what_time_does_not_cure_is_never_said_to_be_tried_again() -> None:
    for kind in answerable():
        if not getattr(kind, "cured_by_time", False):
            assert kind.retry_after is None, kind


@pytest.mark.parametrize(
    ("dialect", "anthropic", "shape"),
    [
        (Dialect.MESSAGES, False, "anthropic"),
        (Dialect.CHAT, True, "openai"),
        (Dialect.RESPONSES, True, "openai"),
        (None, True, "anthropic"),
        (None, False, "openai"),
    ],
)
def test_the_dialect_decides_the_shape(
    dialect: Dialect | None, shape: Shape, *, anthropic: bool
) -> None:
    assert shape_of(dialect, anthropic=anthropic) == shape


def test_an_answer_of_ours_is_compact_json() -> None:
    answer = json_answer(200, {"a": "ä"}, ((b"x", b"y"),))
    assert answer.body == '{"a":"ä"}'.encode()
    assert answer.headers == ((b"content-type", b"application/json"), (b"x", b"y"))
