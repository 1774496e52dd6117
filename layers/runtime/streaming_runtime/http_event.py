"""A Function URL's event (payload format 2.0) as an ASGI scope and a body."""

import binascii
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

Scope = MutableMapping[str, Any]

HTTPS_PORT = 443


class EventInvalid(Exception):
    """The event is no HTTP request in payload format 2.0."""


def read_event(event: Any) -> tuple[Scope, bytes]:  # noqa: ANN401 - any JSON may arrive
    """Return the scope of the request and the bytes of its body.

    Path and query are kept as sent, in ``raw_path`` and ``query_string``; ``path`` is decoded.
    Raises ``EventInvalid`` for whatever another trigger or a hand has sent.
    """
    try:
        return _scope(event), _body(event)
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise EventInvalid("expected an HTTP request in payload format 2.0") from fault


def _scope(event: Mapping[str, Any]) -> Scope:
    context = event["requestContext"]
    http = context["http"]
    given = event.get("headers") or {}
    raw_path = event["rawPath"].encode()
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": http.get("protocol", "HTTP/1.1").partition("/")[2],
        "method": http["method"].upper(),
        "scheme": given.get("x-forwarded-proto", "https"),
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path,
        "query_string": (event.get("rawQueryString") or "").encode(),
        "root_path": "",
        "headers": _headers(given, event.get("cookies")),
        "client": (http.get("sourceIp", ""), 0),
        "server": (context.get("domainName", ""), HTTPS_PORT),
    }


def _headers(given: Mapping[str, str], cookies: list[str] | None) -> list[tuple[bytes, bytes]]:
    headers = [(name.lower().encode(), _octets(value)) for name, value in given.items()]
    if cookies:
        headers = [header for header in headers if header[0] != b"cookie"]
        headers.append((b"cookie", _octets("; ".join(cookies))))
    return headers


def _octets(value: str) -> bytes:
    """Return a header value's bytes; JSON may hold what HTTP's own character set does not."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _body(event: Mapping[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return binascii.a2b_base64(body, strict_mode=True) if body else b""
    return body.encode()
