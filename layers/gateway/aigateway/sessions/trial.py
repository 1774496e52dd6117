"""One question to a provider: whether it can be reached, and takes the key."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import final

from aigateway import __version__
from aigateway.errors import RowInvalid, SecretUnavailable, UpstreamFault
from aigateway.outbound import SECONDS, Reply, Request, send
from aigateway.pool.providers import Provider, ProviderRow, SecretRef
from aigateway.pool.secrets import Secrets
from aigateway.sessions.bodies import BodyInvalid
from aigateway.sessions.provider_view import Document, built
from aigateway.sessions.search import Fault
from aigateway.settings import Settings

ANTHROPIC_VERSION = "2023-06-01"
"""Without it every request is refused (Claude API, "Versioning", read 2026-07)."""

GOOD = range(200, 300)
Sending = Callable[[Request], Reply]


@final
class Trial:
    """Asks for the models of a provider, with the first of its keys that can be read.

    Nothing of it is recorded. ``sending`` is for tests.
    """

    def __init__(
        self, secrets: Secrets, settings: Settings, sending: Sending | None = None
    ) -> None:
        self._secrets = secrets
        self._settings = settings
        allowed = settings.allowed_private_cidrs
        self._send = sending or partial(send, allowed=allowed, seconds=SECONDS)

    async def run(self, row: ProviderRow) -> Document:
        """Return what came of it. Raises ``BodyInvalid`` for a row that cannot be built."""
        try:
            provider = built(row, self._settings)
        except RowInvalid as wrong:
            member, _, reason = str(wrong).partition(": ")
            raise BodyInvalid([Fault(member, f"{reason}.")]) from None
        url = _url(provider)
        ref, key = await self._first_key(provider)
        tried: Document = {"provider": row.name, "url": url, "key": None}
        if ref is not None:
            tried["key"] = {"id": ref.key_id, "masked": ref.mask}
        try:
            reply = await asyncio.to_thread(self._send, _request(provider, url, key))
        except UpstreamFault as fault:
            failed = {"ok": False, "status": None, "latency_ms": None}
            return tried | failed | {"detail": f"{fault}."}
        return tried | {
            "ok": reply.status in GOOD,
            "status": reply.status,
            "latency_ms": round(reply.seconds * 1000),
            "detail": _detail(provider, reply, has_key=key is not None),
        }

    async def _first_key(self, provider: Provider) -> tuple[SecretRef | None, str | None]:
        for ref in provider.credentials:
            try:
                return ref, await self._secrets.key(ref)
            except SecretUnavailable:
                continue
        return None, None


def _url(provider: Provider) -> str:
    base = provider.base_url
    beginning = f"{base.scheme}://{base.host_header.decode()}{base.path}"
    if provider.type == "bedrock":
        return f"{beginning}/"
    is_anthropic = provider.runtime_type == "anthropic"
    return f"{beginning}/v1/models" if is_anthropic else f"{beginning}/models"


def _request(provider: Provider, url: str, key: str | None) -> Request:
    headers = {"Accept": "application/json", "User-Agent": f"aigw/{__version__}"}
    if provider.runtime_type == "anthropic":
        headers["anthropic-version"] = ANTHROPIC_VERSION
        headers |= {} if key is None else {"X-Api-Key": key}
    elif key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return Request("GET", url, headers)


def _detail(provider: Provider, reply: Reply, *, has_key: bool) -> str:
    if provider.type == "bedrock":
        return "The provider can be reached; requests to it are signed, and none was tried."
    if has_key:
        return "" if reply.status in GOOD else f"The provider answered {reply.status}."
    if provider.credentials:
        return "The provider can be reached, but none of its keys can be read."
    return "The provider can be reached; no key is stored, so it was asked without one."
