"""Door of http.client: one blocking HTTP request to an address that may be dialled.

For processes that relay nothing. What is checked is the address that is then connected to, no
proxy is asked, no redirect is followed, and nothing is sent before the certificate is verified.
"""

import http.client
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import final
from urllib.parse import SplitResult, urlsplit

from aigateway.addresses import Network, literal_of, may_be_dialled
from aigateway.errors import UpstreamTimeout, UpstreamUnreachable
from aigateway.trust import verifying

SECONDS = 10.0
ADDRESSES_TRIED = 4
BODY_LIMIT_BYTES = 1024 * 1024
PRINTED = re.compile(r"[!-~]+")

Resolve = Callable[[str, int], list[str]]


@final
@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` may hold credentials. ``Host`` and the length of the body are added."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """``headers`` by lower-case name, the last of each; ``body`` is cut at 1 MiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    seconds: float


def addresses_of(host: str, port: int) -> list[str]:
    """Resolve a name, IPv4 first: a function has no IPv6. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ordered = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in ordered))


def send(
    request: Request,
    *,
    allowed: tuple[Network, ...] = (),
    seconds: float = SECONDS,
    resolve: Resolve = addresses_of,
    trust: Callable[[], ssl.SSLContext] = verifying,
) -> Reply:
    """Send one request and read its answer within ``seconds``; looking up the name is extra.

    ``allowed``: private networks that may be reached, and by plain HTTP no others. Raises
    ``UpstreamUnreachable`` or ``UpstreamTimeout``, which never hold a header or a body.
    """
    parts, port = _parts(request.url)
    addresses = _checked(parts, port, allowed, resolve)
    context = trust() if parts.scheme == "https" else None
    began = time.monotonic()
    deadline = began + seconds
    try:
        with closing(_connected(addresses, port, deadline)) as raw, _ended_at(deadline, raw):
            status, headers, body = _exchange(raw, context, parts, request)
    except ssl.SSLCertVerificationError as refused:
        raise UpstreamUnreachable(f"the certificate is refused: {refused.verify_message}") from None
    except (OSError, http.client.HTTPException) as fault:
        if time.monotonic() >= deadline:
            raise UpstreamTimeout(f"no answer within {seconds:g} s") from None
        raise UpstreamUnreachable(f"no answer: {type(fault).__name__}") from None
    return Reply(status, headers, body, time.monotonic() - began)


def _parts(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
        literal_of(parts.hostname or "")
    except ValueError:
        raise UpstreamUnreachable("the address is malformed") from None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not PRINTED.fullmatch(url):
        raise UpstreamUnreachable("the address is malformed")
    return parts, port or (443 if parts.scheme == "https" else 80)


def _checked(
    parts: SplitResult, port: int, allowed: tuple[Network, ...], resolve: Resolve
) -> list[str]:
    try:
        found = resolve(parts.hostname or "", port)
    except (OSError, UnicodeError):
        raise UpstreamUnreachable("the name cannot be resolved") from None
    fit = [address for address in found if may_be_dialled(address, allowed)]
    if parts.scheme == "http":
        fit = [address for address in fit if not may_be_dialled(address, ())]
    if not fit:
        raise UpstreamUnreachable("the name resolves to no allowed address")
    return fit[:ADDRESSES_TRIED]


def _connected(addresses: list[str], port: int, deadline: float) -> socket.socket:
    fault = OSError("no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), _left(deadline))
        except OSError as refused:
            fault = refused
    raise fault


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


@contextmanager
def _ended_at(deadline: float, raw: socket.socket) -> Iterator[None]:
    """Break the connection off at the deadline: a socket's own time-out begins anew with each byte.

    Raises ``TimeoutError`` where that was needed: a head that is cut looks like a short one.
    """
    descriptor = socket.socket(fileno=os.dup(raw.fileno()))

    def end() -> None:
        with suppress(OSError):
            descriptor.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(_left(deadline), end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        descriptor.close()
    if time.monotonic() >= deadline:
        raise TimeoutError


def _exchange(
    raw: socket.socket, context: ssl.SSLContext | None, parts: SplitResult, request: Request
) -> tuple[int, dict[str, str], bytes]:
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(host)
    connection.sock = context.wrap_socket(raw, server_hostname=host) if context else raw
    with closing(connection):
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc, **request.headers}
        connection.request(request.method, target, request.body, headers)
        answer = connection.getresponse()
        body = answer.read(BODY_LIMIT_BYTES)
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, body
