"""The head of a streamed response as Lambda reads it: one JSON object, then eight NUL bytes."""

import json
from collections.abc import Iterable
from typing import Any

Headers = Iterable[tuple[bytes, bytes]]

SEPARATOR = b"\0" * 8
"""Ends the head. JSON escapes a NUL, so the first run of eight is always this one; the same bytes
in the body are data."""

FRAMING = frozenset(
    {"connection", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers of one connection. The response travels on two, and Lambda frames either itself: a length
of ours would reach the client under another name, and be wrong behind an added line feed."""


def response_head(status: int, headers: Headers) -> dict[str, Any]:
    """Return the head as Lambda's JSON form knows it.

    There a header has one value: repeated ones are joined by a comma (RFC 9110 5.3), and cookies,
    which cannot be joined, have a list of their own. Names come out in lower case.
    """
    joined: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "set-cookie":
            cookies.append(value)
        elif name not in FRAMING:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    head: dict[str, Any] = {"statusCode": status, "headers": joined}
    if cookies:
        head["cookies"] = cookies
    return head


def prelude(status: int, headers: Headers) -> bytes:
    """Return the first bytes of a streamed response.

    Lambda sends the status and the headers to the client as soon as it has them all. Behind API
    Gateway they must fit into the first 16 KB.
    """
    return json.dumps(response_head(status, headers), separators=(",", ":")).encode() + SEPARATOR
