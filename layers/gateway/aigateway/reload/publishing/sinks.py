"""Where figures go: the HTTP requests of a remote write and of a Pushgateway.

Both are sent by ``outbound.py``: to an address that was checked, without redirects, the
certificate verified.
"""

import asyncio
import gzip
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, final
from urllib.parse import quote, urlsplit

from aigateway.addresses import Network
from aigateway.aws import own_credentials
from aigateway.clock import Clock
from aigateway.errors import SecretUnavailable
from aigateway.outbound import Reply, Request, send
from aigateway.pool.vault import Vault
from aigateway.reload.publishing.push import PushFailed
from aigateway.telemetry.exposition import CONTENT_TYPE
from aigateway.telemetry.remote_write import HEADERS
from aigateway.wire.messages import RequestHead
from aigateway.wire.sigv4 import AwsCredentials, SigningScope, signature_headers

JOB = "ai-gateway"
WRITE_SECONDS, PUT_SECONDS = 6.0, 10.0
SECRET_AGE = timedelta(minutes=5)
"""One push is many requests, and each look at a secret is paid for."""
SERVICE = "aps"
"""Amazon Managed Service for Prometheus (user guide, "Using AWS Signature Version 4")."""

Sending = Callable[[Request, float], Awaitable[Reply]]


def sending(allowed: tuple[Network, ...]) -> Sending:
    """Return what sends a request off the event loop, within so many seconds."""

    async def sent(request: Request, seconds: float) -> Reply:
        return await asyncio.to_thread(send, request, allowed=allowed, seconds=seconds)

    return sent


class Authorizing(Protocol):
    """Gives the headers that authorize a body on its way to a URL."""

    async def headers(self, url: str, body: bytes) -> Mapping[str, str]:
        """Raises ``PushFailed``."""


@final
class Anonymous:
    async def headers(self, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {}


@final
class FromSecret:
    """A bearer token, or ``user:password`` for ``basic``, read from a secret every five minutes."""

    def __init__(self, scheme: str, secret: str, vault: Vault, clock: Clock) -> None:
        self._scheme = scheme
        self._secret = secret
        self._vault = vault
        self._clock = clock
        self._known: tuple[datetime, Mapping[str, str]] | None = None

    async def headers(self, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        now = self._clock.now()
        if self._known is None or now - self._known[0] >= SECRET_AGE:
            self._known = now, await self._read()
        return self._known[1]

    async def _read(self) -> Mapping[str, str]:
        try:
            stored = await self._vault.read(self._secret)
        except SecretUnavailable as fault:
            raise PushFailed("authorization", str(fault)) from fault
        text = stored.text.strip() if stored else ""
        if not text or not text.isascii() or not text.isprintable():
            raise PushFailed("authorization", "the secret for Prometheus holds no usable text")
        if self._scheme == "basic":
            return {"Authorization": f"Basic {b64encode(text.encode()).decode()}"}
        return {"Authorization": f"Bearer {text}"}


@final
class Signed:
    """AWS Signature Version 4 with this process's own credentials, renewed before they expire."""

    def __init__(self, region: str, clock: Clock) -> None:
        self._scope = SigningScope(region, SERVICE)
        self._clock = clock
        self._chain: Any = None

    async def headers(self, url: str, body: bytes) -> Mapping[str, str]:
        credentials = await asyncio.to_thread(self._credentials)
        return signed(url, body, self._scope, credentials, self._clock.now())

    def _credentials(self) -> AwsCredentials:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - only those pay who sign

        try:
            self._chain = self._chain or own_credentials()
            found = self._chain and self._chain.get_frozen_credentials()
        except BotoCoreError as error:
            failed = type(error).__name__
            raise PushFailed("authorization", f"no AWS credentials: {failed}") from None
        if not found:
            raise PushFailed("authorization", "this process has no AWS credentials")
        return AwsCredentials(found.access_key, found.secret_key, found.token)


def signed(
    url: str, body: bytes, scope: SigningScope, credentials: AwsCredentials, at: datetime
) -> Mapping[str, str]:
    """Return the headers that sign a remote write."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    named = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS)
    added = signature_headers(
        RequestHead("POST", target.encode(), named),
        body,
        host=parts.netloc.encode(),
        credentials=credentials,
        scope=scope,
        at=at,
    )
    return {name.decode(): value.decode() for name, value in added}


@final
class HttpReceiver:
    """A server that takes remote writes."""

    def __init__(self, url: str, authorizing: Authorizing, sending: Sending, version: str) -> None:
        self._url = url
        self._authorizing = authorizing
        self._sending = sending
        self._agent = f"ai-gateway-publisher/{version}"

    async def write(self, body: bytes) -> int:
        given = await self._authorizing.headers(self._url, body)
        headers = {**dict(HEADERS), "User-Agent": self._agent, **given}
        reply = await self._sending(Request("POST", self._url, headers, body), WRITE_SECONDS)
        return reply.status


@final
class Pushgateway:
    """Replaces the group of this deployment as a whole, so that nothing old stays in it."""

    def __init__(self, url: str, instance: str, sending: Sending) -> None:
        group = f"metrics/job/{JOB}/instance/{quote(instance, safe='')}"
        self._url = f"{url.rstrip('/')}/{group}"
        self._sending = sending

    async def put(self, text: str) -> None:
        """Raises ``PushFailed`` or ``UpstreamFault``."""
        headers = {"Content-Type": CONTENT_TYPE, "Content-Encoding": "gzip"}
        body = gzip.compress(text.encode(), 6, mtime=0)
        reply = await self._sending(Request("PUT", self._url, headers, body), PUT_SECONDS)
        if not 200 <= reply.status < 300:  # noqa: PLR2004 - success, whatever its shade
            raise PushFailed("pushgateway", f"the Pushgateway answered {reply.status}")
