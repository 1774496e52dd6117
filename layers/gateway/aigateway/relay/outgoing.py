"""The request as the provider gets it: headers, credential, time-outs."""

from typing import final

from aigateway import __version__
from aigateway.errors import PoolFault, ProviderBroken
from aigateway.pool.secrets import Secrets
from aigateway.relay.actor import Actor
from aigateway.relay.intake import Admitted
from aigateway.relay.upstream import UpstreamRequest
from aigateway.settings import Settings
from aigateway.wire.headers import towards_provider
from aigateway.wire.inflate import readable_codings
from aigateway.wire.masking import mask
from aigateway.wire.messages import Headers, RequestHead


@final
class Outgoing:
    """Makes requests for providers; the central key is fetched for each."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets
        self._readable = readable_codings()
        self._actor = Actor(settings)

    async def request(
        self, head: RequestHead, body: bytes, admitted: Admitted
    ) -> tuple[UpstreamRequest, str | None]:
        """Return the request for the provider, and the mask of the key it goes with."""
        provider = admitted.route.provider
        own = admitted.presented.own
        credential, hint = own, admitted.presented.own_hint
        if own is None:
            credential, hint = await self._central(admitted)
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
        return request, hint

    def _added(self, admitted: Admitted) -> Headers:
        """Return the headers that the gateway sets beside the credential."""
        tenant = admitted.route.provider.tenant if admitted.presented.own is None else ()
        is_recorded = admitted.route.dialect is not None
        return tenant + (self._actor.headers(admitted.caller) if is_recorded else ())

    async def _central(self, admitted: Admitted) -> tuple[tuple[bytes, bytes] | None, str | None]:
        provider = admitted.route.provider
        if not provider.credentials:
            if provider.type == "openai-compat":
                return None, None
            raise ProviderBroken(f"provider {provider.name} has no key: send your own beside ours")
        try:
            key = await self._secrets.key(provider.credentials[0])
        except PoolFault as fault:
            raise ProviderBroken(str(fault)) from fault
        if provider.runtime_type == "anthropic":
            return (b"x-api-key", key.encode()), mask(key)
        return (b"authorization", b"Bearer " + key.encode()), mask(key)
