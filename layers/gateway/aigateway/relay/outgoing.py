"""The request as the provider gets it, and the way it takes: keys, circuit breaker, transport."""

from dataclasses import dataclass, replace
from typing import final

from aigateway import __version__
from aigateway.clock import Clock
from aigateway.errors import PoolFault, ProviderBroken
from aigateway.interception import UNKNOWN_MODEL, Opened
from aigateway.pool.bedrock import session_name_of
from aigateway.pool.breaker import Breakers
from aigateway.pool.breaker_settings import deployed
from aigateway.pool.keyring import Keyrings, is_pooled
from aigateway.pool.secrets import Secrets
from aigateway.relay.actor import Actor
from aigateway.relay.asides import Asides
from aigateway.relay.intake import Admitted
from aigateway.relay.notices import Notices, Noting
from aigateway.relay.upstream import KeysUsed, Upstream, UpstreamRequest, key_header
from aigateway.settings import Settings
from aigateway.steps import cut_name
from aigateway.wire.headers import towards_provider
from aigateway.wire.inflate import readable_codings
from aigateway.wire.masking import mask
from aigateway.wire.messages import Headers, RequestHead

Credential = tuple[bytes, bytes]


@final
@dataclass(frozen=True, slots=True)
class Sending:
    """A request ready to be sent. ``keys`` changes while ``upstream`` sends it."""

    request: UpstreamRequest
    upstream: Upstream
    keys: KeysUsed


@final
class Outgoing:
    """Makes requests for providers; a central key is fetched for each."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        upstream: Upstream,
        rings: Keyrings,
        store: Noting,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._upstream = upstream
        self._rings = rings
        self._breakers = Breakers()
        self._breaker_settings = deployed(settings)
        self._store = store
        self._clock = clock
        self._readable = readable_codings()
        self._actor = Actor(settings)

    async def sending(
        self,
        head: RequestHead,
        body: bytes,
        admitted: Admitted,
        asides: Asides,
        opened: Opened | None,
    ) -> Sending:
        """Return the request for the provider; without ``opened`` it is passed through.

        Raises ``ProviderBroken`` when it has no key to go with.
        """
        provider, own = admitted.route.provider, admitted.presented.own
        upstream, credential = self._upstream, own
        if own is not None:
            keys = KeysUsed(admitted.presented.own_hint, 1, secret=admitted.presented.own_secret)
        elif is_pooled(provider):
            upstream, keys = await self._failover(admitted, asides)
        else:
            credential, keys = await self._central(admitted)
        if opened is not None:
            upstream = self._guarded(upstream, admitted, asides, opened, keys)
        headers = towards_provider(
            head.headers,
            credential=credential,
            central=own is None,
            readable=self._readable,
            user_agent=f"aigw/{__version__}".encode(),
            added=self._added(admitted),
            ours=self._actor.names,
        )
        request = UpstreamRequest(
            provider=provider,
            method=head.method,
            target=admitted.route.target,
            headers=headers,
            body=body,
            released=None,
            first_byte_seconds=provider.first_byte_seconds or self._settings.first_byte_seconds,
            idle_seconds=provider.idle_seconds or self._settings.idle_seconds,
        )
        return Sending(_for_bedrock(request, admitted), upstream, keys)

    def _added(self, admitted: Admitted) -> Headers:
        """Return the headers that the gateway sets beside the credential."""
        tenant = admitted.route.provider.tenant if admitted.presented.own is None else ()
        is_recorded = admitted.route.dialect is not None
        return tenant + (self._actor.headers(admitted.caller) if is_recorded else ())

    async def _central(self, admitted: Admitted) -> tuple[Credential | None, KeysUsed]:
        provider = admitted.route.provider
        if provider.bedrock is not None:
            return None, KeysUsed(provider.bedrock.credential_hint, 1)
        if not provider.credentials:
            if provider.type == "openai-compat":
                return None, KeysUsed(None, 1)
            raise ProviderBroken(f"provider {provider.name} has no key: send your own beside ours")
        try:
            key = await self._secrets.key(provider.credentials[0])
        except PoolFault as fault:
            raise ProviderBroken(str(fault)) from fault
        return key_header(provider, key), KeysUsed(mask(key), 1, secret=key)

    async def _failover(self, admitted: Admitted, asides: Asides) -> tuple[Upstream, KeysUsed]:
        from aigateway.relay.failover import Failover  # noqa: PLC0415 - a single key needs none

        provider = admitted.route.provider
        notices = Notices(self._store, self._clock, asides)
        ring = self._rings.of(provider.name)
        failover = Failover(self._upstream, provider, ring, self._secrets, self._clock, notices)
        await failover.choose()
        return failover, failover.keys

    def _guarded(
        self,
        upstream: Upstream,
        admitted: Admitted,
        asides: Asides,
        opened: Opened,
        keys: KeysUsed,
    ) -> Upstream:
        provider = admitted.route.provider
        settings = provider.circuit_breaker.over(self._breaker_settings)
        if not settings.enabled:
            return upstream
        from aigateway.relay.circuit import Guarded  # noqa: PLC0415 - off by default

        scope = (provider.name, opened.route, cut_name(opened.model) or UNKNOWN_MODEL)
        return Guarded(
            upstream,
            self._breakers.at(scope, self._clock.now().timestamp()),
            scope,
            settings,
            self._clock,
            Notices(self._store, self._clock, asides),
            keys,
            is_own=admitted.presented.own is not None,
        )


def _for_bedrock(request: UpstreamRequest, admitted: Admitted) -> UpstreamRequest:
    """Return what a provider on Bedrock takes; others take the request as it is."""
    provider, caller = admitted.route.provider, admitted.caller
    if provider.bedrock is None:
        return request
    from aigateway.relay.bedrock_request import for_bedrock  # noqa: PLC0415 - only those pay who use it

    request = for_bedrock(request, provider.bedrock, admitted.route.dialect)
    if admitted.presented.own is not None:
        return request
    name = session_name_of(caller.username, caller.initiator_id)
    return replace(request, session_name=name)
