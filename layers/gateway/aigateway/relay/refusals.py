"""Our own errors, in the shape that the caller's dialect expects."""

import json
from dataclasses import dataclass
from typing import Literal, final

from aigateway.errors import Answerable, MethodNotAllowed, WebSocketNotSupported
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import Headers

Shape = Literal["anthropic", "openai"]
ERROR_HEADER = b"x-ai-gateway-error"
ID_HEADER = b"x-ai-gateway-interception-id"
UNAUTHORIZED = 401
FORBIDDEN = 403
SERVER_ERRORS = 500


@final
@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """An answer that the gateway makes itself; its body is empty only for ``HEAD``."""

    status: int
    headers: Headers
    body: bytes


def shape_of(dialect: Dialect | None, *, anthropic: bool) -> Shape:
    """Return the error shape of a dialect; without one ``anthropic`` decides."""
    if dialect is None:
        return "anthropic" if anthropic else "openai"
    return "anthropic" if dialect is Dialect.MESSAGES else "openai"


def json_answer(status: int, document: object, headers: Headers = ()) -> OwnAnswer:
    """Return a JSON document as an answer."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return OwnAnswer(status, ((b"content-type", b"application/json"), *headers), body)


def refused(error: Answerable, shape: Shape, request_id: str) -> OwnAnswer:
    """Put ``error`` into the shape of a dialect.

    ``x-should-retry: false`` stops the vendors' SDKs where time cures nothing.
    """
    headers: list[tuple[bytes, bytes]] = [(ERROR_HEADER, error.code.encode())]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if not error.cured_by_time:
        headers.append((b"x-should-retry", b"false"))
    if error.status == UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allow).encode()))
    if isinstance(error, WebSocketNotSupported):
        headers.append((b"upgrade", b"HTTP/1.1"))
    return json_answer(error.status, _document(error, shape, request_id), tuple(headers))


def _document(error: Answerable, shape: Shape, request_id: str) -> object:
    message = str(error)
    if shape == "anthropic":
        kind = error.anthropic_type or _kind(error.status, "api_error")
        inner = {"type": kind, "message": message}
        return {"type": "error", "error": inner, "request_id": request_id}
    kind = error.openai_type or _kind(error.status, "server_error")
    code = error.openai_code or error.code
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _kind(status: int, server_error: str) -> str:
    if status >= SERVER_ERRORS:
        return server_error
    return "permission_error" if status == FORBIDDEN else "invalid_request_error"
