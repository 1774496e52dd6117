"""AWS's JSON protocols, 1.0 and 1.1: an operation as a signed request, and its answer; no I/O.

Smithy 2.0, "AWS JSON 1.0 protocol" and "AWS JSON 1.1 protocol" (read 2026-07): every operation is
a POST of one object to the root, bytes are base64, and a refusal says its code in ``__type``.
"""

import json
import zlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, final

from aigateway.errors import ServiceRefused, ServiceSilent
from aigateway.wire.messages import RequestHead, ResponseHead, value
from aigateway.wire.sigv4 import AwsCredentials, SigningScope, signature_headers

Document = dict[str, Any]
CHECKSUM, REQUEST_ID = b"x-amz-crc32", b"x-amzn-requestid"
FAILED = 500
"""Where the statuses begin by which a service says that it could not, rather than would not."""


@final
@dataclass(frozen=True, slots=True)
class AwsService:
    """``name`` is signed, ``target`` stands before operations, ``version`` is the protocol's.

    ``as_object`` turns each object of an answer into what it means, from the inside out.
    """

    name: str
    target: str
    version: str
    as_object: Callable[[Document], Document] | None = None


class AwsCalls(Protocol):
    """Sends one operation of a service, once. Raises ``ServiceRefused``, ``ServiceSilent``."""

    async def call(self, operation: str, members: Document) -> Document: ...


def body_of(members: Document) -> bytes:
    """Write the members of an operation; bytes among them become base64."""
    return json.dumps(members, separators=(",", ":"), default=_base64).encode()


def _base64(content: object) -> str:
    if isinstance(content, bytes):
        return b64encode(content).decode()
    raise TypeError(f"no JSON for {type(content).__name__}")


def head_of(
    service: AwsService,
    operation: str,
    body: bytes,
    *,
    host: bytes,
    region: str,
    credentials: AwsCredentials,
    at: datetime,
) -> bytes:
    """Write the signed head of an operation."""
    headers = (
        (b"content-type", f"application/x-amz-json-{service.version}".encode()),
        (b"x-amz-target", f"{service.target}.{operation}".encode()),
    )
    signed = signature_headers(
        RequestHead("POST", b"/", headers),
        body,
        host=host,
        credentials=credentials,
        scope=SigningScope(region, service.name),
        at=at,
    )
    framing = (
        (b"host", host),
        (b"accept-encoding", b"identity"),
        (b"content-length", b"%d" % len(body)),
    )
    lines = (b"%b: %b\r\n" % header for header in (*framing, *headers, *signed))
    return b"POST / HTTP/1.1\r\n" + b"".join(lines) + b"\r\n"


def read_answer(service: AwsService, head: ResponseHead, body: bytes) -> Document:
    """Return what a service answered. Raises ``ServiceRefused``, ``ServiceSilent``."""
    checksum = value(head.headers, CHECKSUM)
    if checksum is not None and checksum != b"%d" % zlib.crc32(body):
        raise ServiceSilent("the answer was damaged on its way")
    if value(head.headers, b"content-encoding") not in (None, b"identity"):
        raise ServiceSilent("the answer came in a coding that nobody asked for")
    try:
        document = json.loads(body, object_hook=service.as_object) if body else {}
    except (ValueError, RecursionError):
        document = None
    if head.status == 200 and isinstance(document, dict):  # noqa: PLR2004 - the protocol's only one
        if value(head.headers, REQUEST_ID) is None:
            raise ServiceSilent("the answer is not the service's own")
        return document
    kind = document.get("__type") if isinstance(document, dict) else None
    if isinstance(document, dict) and isinstance(kind, str):
        raise ServiceRefused(kind.partition(":")[0].rpartition("#")[2], document)
    if head.status >= FAILED or head.status < 400:  # noqa: PLR2004 - where refusals begin
        raise ServiceSilent(f"the answer cannot be read: status {head.status}")
    raise ServiceRefused(str(head.status), {})
