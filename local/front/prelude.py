"""The prelude of a streamed answer: status, headers, cookies as JSON, then eight NUL bytes."""

import json
import re
from dataclasses import dataclass
from typing import final

from local.front.http1 import TOKEN

CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
SEPARATOR = bytes(8)
UNSPOKEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header's value may hold (RFC 9110 section 5.5)."""

REMAPPED = frozenset(
    {"content-length", "transfer-encoding", "date", "connection", "www-authenticate", "server"}
)
"""Headers a Function URL sends itself: the function's own come out under another name."""


class BadPrelude(Exception):
    """The answer does not begin with a prelude that a Function URL can use."""


@final
@dataclass(frozen=True, slots=True)
class Prelude:
    """What the head of the HTTP response is made of."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[str, ...] = ()

    def sent_headers(self) -> list[tuple[str, str]]:
        """The headers as they leave: some renamed, the content type there, a line per cookie."""
        headers = [
            (f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name, value)
            for name, value in self.headers
        ]
        if all(name.lower() != "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/octet-stream"))
        return headers + [("Set-Cookie", cookie) for cookie in self.cookies]


def split(begun: bytes) -> tuple[Prelude, bytes] | None:
    """Return the prelude and the first bytes of the body; ``None`` while the separator is missing.

    Only the first eight NUL bytes separate. Raises ``BadPrelude``.
    """
    text, separator, rest = begun.partition(SEPARATOR)
    return (read(text), rest) if separator else None


def read(text: bytes) -> Prelude:
    """Raises ``BadPrelude`` for what is no object, or holds what no head can say."""
    try:
        document = json.loads(text)
    except ValueError as wrong:
        raise BadPrelude("it is no JSON") from wrong
    if not isinstance(document, dict):
        raise BadPrelude("it is no object")
    status = document.get("statusCode", 200)
    headers = document.get("headers") or {}
    cookies = document.get("cookies") or []
    if type(status) is not int or not 200 <= status <= 599:  # noqa: PLR2004 - the final statuses
        raise BadPrelude("statusCode is none")
    if not isinstance(headers, dict) or not isinstance(cookies, list):
        raise BadPrelude("headers is no object or cookies no list")
    if not all(TOKEN.fullmatch(name) for name in headers):
        raise BadPrelude("a header's name is none")
    if not all(_is_value(value) for value in (*headers.values(), *cookies)):
        raise BadPrelude("a header's value is none")
    return Prelude(status, tuple(headers.items()), tuple(cookies))


def _is_value(value: object) -> bool:
    return isinstance(value, str) and not UNSPOKEN.search(value)
