"""The error shape of both OpenAI dialects."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

CODES: Mapping[int, tuple[str, str | None]] = MappingProxyType(
    {
        401: ("invalid_request_error", "invalid_api_key"),
        404: ("invalid_request_error", "not_found"),
        429: ("requests", "rate_limit_exceeded"),
    }
)


def error(status: int, message: str, request_id: str, kind: str = "") -> dict[str, Any]:
    """``request_id`` is not part of the body: OpenAI names it in a header only."""
    del request_id
    ordinary = "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004
    known, code = CODES.get(status, (ordinary, None))
    return {"error": {"message": message, "type": kind or known, "param": None, "code": code}}
