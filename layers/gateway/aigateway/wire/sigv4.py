"""AWS Signature Version 4 over one request.

AWS General Reference, "Create a signed AWS API request": the hash of a canonical request goes
into a string to sign, and a key derived from day, region and service signs that. Time and
credentials are arguments.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import final

from aigateway.wire.messages import Headers, RequestHead

ALGORITHM = "AWS4-HMAC-SHA256"
SIGNED_BEGINNING = b"x-amz-"
SIGNED_NAMES = frozenset({b"content-type"})
"""Signed beside Host and ``x-amz-*``. The rest may be changed on the way without harm."""

OWN_NAMES = frozenset({b"host", b"x-amz-date", b"x-amz-security-token"})
_UNESCAPED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


@final
@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """``session_token`` stands beside keys that expire."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@final
@dataclass(frozen=True, slots=True)
class SigningScope:
    """What a signature is good for: one region and one service, such as ``bedrock``."""

    region: str
    service: str


def signature_headers(
    head: RequestHead,
    body: bytes,
    *,
    host: bytes,
    credentials: AwsCredentials,
    scope: SigningScope,
    at: datetime,
) -> Headers:
    """Return the headers to add: ``x-amz-date``, ``x-amz-security-token``, ``authorization``.

    ``host`` is the Host header that will be sent; ``head.target`` is percent-encoded as it will
    be sent. Of ``head.headers`` those in ``OWN_NAMES`` are ignored: the caller must not send
    them, nor an ``authorization`` of its own. For every service but S3, whose rule for paths
    differs. ``at`` is an aware time; AWS takes signatures within five minutes of its own.
    """
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added: list[tuple[bytes, bytes]] = [(b"x-amz-date", stamp.encode())]
    if credentials.session_token is not None:
        added.append((b"x-amz-security-token", credentials.session_token.encode()))
    kept = [(name.lower(), content) for name, content in head.headers]
    signed = _canonical_headers(
        [(b"host", host), *added, *(pair for pair in kept if _is_signed(pair[0]))]
    )
    names = b";".join(name for name, _ in signed).decode()
    canonical = b"\n".join(
        (
            head.method.upper().encode(),
            _canonical_path(head.path),
            _canonical_query(head.query[1:]),
            *(name + b":" + content for name, content in signed),
            b"",
            names.encode(),
            hashlib.sha256(body).hexdigest().encode(),
        )
    )
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{stamp}\n{place}\n{hashlib.sha256(canonical).hexdigest()}"
    key = _signing_key(credentials.secret_key, place)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key}/{place}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return (*added, (b"authorization", authorization.encode()))


def _is_signed(name: bytes) -> bool:
    return name not in OWN_NAMES and (name in SIGNED_NAMES or name.startswith(SIGNED_BEGINNING))


def _canonical_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Sort by name; values of equal names are joined by commas, runs of spaces become one."""
    joined: dict[bytes, bytes] = {}
    for name, content in headers:
        trimmed = b" ".join(content.split())
        joined[name] = joined[name] + b"," + trimmed if name in joined else trimmed
    return sorted(joined.items())


def _canonical_path(path: bytes) -> bytes:
    """Encode the path once more, without empty and dot segments (RFC 3986 section 5.2.4)."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            kept = kept[:-1]
        elif segment not in (b"", b"."):
            kept.append(segment)
    ending = b"/" if kept and path.endswith(b"/") else b""
    return b"/" + _percent_encoded(b"/".join(kept) + ending)


def _percent_encoded(text: bytes) -> bytes:
    return b"".join(b"%c" % byte if byte in _UNESCAPED else b"%%%02X" % byte for byte in text)


def _canonical_query(query: bytes) -> bytes:
    if not query:
        return b""
    pairs = sorted(pair.partition(b"=")[::2] for pair in query.split(b"&"))
    return b"&".join(name + b"=" + content for name, content in pairs)


def _signing_key(secret_key: str, place: str) -> bytes:
    key = b"AWS4" + secret_key.encode()
    for part in place.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
