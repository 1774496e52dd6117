"""The heads of a request and of a response, as they came."""

import re
from dataclasses import dataclass
from typing import final

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
TARGET = re.compile(rb"[!-~]+")

Headers = tuple[tuple[bytes, bytes], ...]
"""Order and repetition kept; names as the host gave them (ASGI hosts lower-case them)."""


def values(headers: Headers, name: bytes) -> tuple[bytes, ...]:
    """Return every value of ``name`` (lower case), in order."""
    return tuple(value for key, value in headers if key.lower() == name)


def value(headers: Headers, name: bytes) -> bytes | None:
    """Return the first value of ``name`` (lower case)."""
    return next(iter(values(headers, name)), None)


def text(headers: Headers, name: bytes) -> str | None:
    """Return the first value of ``name``, trimmed; a blank one counts as absent.

    Header bytes above 0x7f have no agreed meaning (RFC 9110 section 5.5): read as Latin-1.
    """
    found = value(headers, name)
    return (found.decode("latin-1").strip() or None) if found is not None else None


@final
@dataclass(frozen=True, slots=True)
class RequestHead:
    """``target`` is the raw path and query, byte for byte."""

    method: str
    target: bytes
    headers: Headers

    @property
    def is_plain(self) -> bool:
        """Whether it holds no character that may lie in no head (RFC 9110 section 5.5, RFC 3986).

        Not every host looks.
        """
        plain = not any(CONTROL.search(content) for _, content in self.headers)
        return plain and TARGET.fullmatch(self.target) is not None

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        """The raw query with its question mark, or nothing."""
        _, mark, query = self.target.partition(b"?")
        return mark + query


@final
@dataclass(frozen=True, slots=True)
class ResponseHead:
    status: int
    headers: Headers
