"""One request and the keys of its provider: where one is refused, the next is tried.

    choose ──▶ send ──▶ 429 or 401 ──▶ mark the key ──▶ choose …        nothing is out by then
                  └──▶ any other answer: the client's

A later attempt sends the very same body again, and is held back like the first one: each waits
for the record, which is there by then. The client gets one answer, that of the last attempt;
where no key is left, one of ours.
"""

import asyncio
import logging
from dataclasses import replace
from typing import final

from aigateway.clock import Clock, micros
from aigateway.errors import (
    KeyPoolExhausted,
    KeyPoolUnauthorized,
    PoolFault,
    ProviderBroken,
    UpstreamCut,
    UpstreamFault,
)
from aigateway.pool.keyring import (
    COOLING_STATUSES,
    RATE_LIMITED,
    Keyring,
    Mark,
    cooling_ms,
    shortest_wait_ms,
)
from aigateway.pool.providers import Provider, SecretRef
from aigateway.pool.secrets import Secrets
from aigateway.relay.notices import Notices
from aigateway.relay.upstream import Answer, KeysUsed, Upstream, UpstreamRequest, key_header
from aigateway.steps import key_marked, keys_exhausted
from aigateway.wire.masking import mask
from aigateway.wire.messages import value

logger = logging.getLogger(__name__)

DRAINED_BYTES = 64 << 10
DRAIN_SECONDS = 0.1
"""The rest of a refusal is read if it is there already: its connection can then be kept."""


@final
class Failover:
    """An ``Upstream`` for one request, which must come without a credential.

    ``keys`` says which key it came to.
    """

    def __init__(
        self,
        upstream: Upstream,
        provider: Provider,
        ring: Keyring,
        secrets: Secrets,
        clock: Clock,
        notices: Notices,
    ) -> None:
        self.keys = KeysUsed(None, 0)
        self._upstream = upstream
        self._provider = provider
        self._ring = ring
        self._secrets = secrets
        self._clock = clock
        self._notices = notices
        self._passed: set[str] = set()
        self._refused: set[str] = set()
        self._chosen: tuple[SecretRef, str] | None = None

    async def choose(self) -> None:
        """Choose the key to begin with, if there is one.

        Raises ``ProviderBroken`` if there is none because none can be read.
        """
        self._chosen = await self._next()
        if self._chosen is None and not self._refusing():
            raise ProviderBroken(f"no key of provider {self._provider.name} can be read")

    async def send(self, request: UpstreamRequest) -> Answer:
        """Raises ``KeyPoolExhausted`` and ``KeyPoolUnauthorized``, too."""
        while self._chosen is not None:
            ref, key = self._chosen
            self._chosen = None
            self.keys.hint, self.keys.secret, self.keys.status = mask(key), key, None
            self.keys.tried += 1
            headers = (*request.headers, key_header(self._provider, key))
            answer = await self._upstream.send(replace(request, headers=headers))
            if answer.head.status not in COOLING_STATUSES:
                return answer
            self._mark(ref, answer)
            await _let_go(answer)
            self._chosen = await self._next()
        raise self._exhausted()

    async def aclose(self) -> None:
        """Do nothing: the connections are not this request's."""

    async def _next(self) -> tuple[SecretRef, str] | None:
        """Return the first key that neither cools nor was tried, but can be read."""
        while ref := self._ring.first(self._provider.credentials, self._passed, self._now_ms):
            self._passed.add(ref.key_id)
            try:
                return ref, await self._secrets.key(ref)
            except PoolFault:
                extra = {"provider_name": ref.provider, "key_id": ref.key_id}
                logger.warning("a provider key cannot be read and is skipped", extra=extra)
        return None

    def _mark(self, ref: SecretRef, answer: Answer) -> None:
        status, now_ms = answer.head.status, self._now_ms
        self.keys.status = status
        self._refused.add(ref.key_id)
        cools_ms = cooling_ms(status, value(answer.head.headers, b"retry-after"), now_ms)
        marked = self._ring.mark(ref.key_id, Mark(now_ms + cools_ms, status), now_ms)
        if marked == "begun":
            reason = "rate_limited" if status == RATE_LIMITED else "unauthorized"
            self._notices.count(key_marked(self._provider.name, reason))
        if marked != "known":
            self._notices.set_gauge("KP", (self._provider.name,), self._ring.told(ref.key_id))

    def _exhausted(self) -> UpstreamFault:
        name = self._provider.name
        wait_ms = shortest_wait_ms(self._refusing(), self._now_ms)
        outcome = "auth_failed" if wait_ms is None else "rate_limited"
        self._notices.count(keys_exhausted(name, outcome))
        if wait_ms is None:
            return KeyPoolUnauthorized(f"provider {name} accepts none of its keys")
        seconds = max(-(-wait_ms // 1000), 1)
        return KeyPoolExhausted(f"every key of provider {name} is limited or refused", seconds)

    def _refusing(self) -> tuple[Mark, ...]:
        return self._ring.refusing(self._provider.credentials, self._refused, self._now_ms)

    @property
    def _now_ms(self) -> int:
        return micros(self._clock.now()) // 1000


async def _let_go(answer: Answer) -> None:
    """Let go of an answer that nobody gets, at its end if that is near."""
    left = DRAINED_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in answer.chunks:
                left -= len(chunk)
                if left < 0:
                    break
    except (UpstreamCut, TimeoutError):
        pass
    finally:
        await answer.aclose()
