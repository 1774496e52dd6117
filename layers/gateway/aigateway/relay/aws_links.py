"""What a gateway on AWS asks without the SDK, over connections that its services share."""

from collections.abc import Mapping
from functools import partial
from ipaddress import ip_network
from typing import final

from aigateway.clock import Clock
from aigateway.relay.aws_calls import CONNECT_SECONDS, OwnAwsCalls
from aigateway.relay.aws_places import credentials_in, place_of
from aigateway.relay.connections import Connections
from aigateway.relay.dialling import Dialling
from aigateway.trust import Trust
from aigateway.wire.aws_json import AwsCalls, AwsService

ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""The services' addresses may be private ones, of endpoints within a VPC: it is the operator who
names them, and no row of a provider."""


@final
class AwsLinks:
    """``environment`` is looked at again with each operation: the keys in it may change."""

    def __init__(
        self, environment: Mapping[str, str], clock: Clock, trust: Trust | None = None
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._connections = Connections(
            clock, Dialling(clock, ANYWHERE, trust=trust), CONNECT_SECONDS
        )

    def to(self, service: AwsService) -> AwsCalls | None:
        """Return what asks a service, or nothing where that is left to the SDK."""
        place = place_of(service.name, self._environment)
        if place is None:
            return None
        credentials = partial(credentials_in, self._environment)
        return OwnAwsCalls(service, place, credentials, self._connections, self._clock)

    async def aclose(self) -> None:
        """Abort every connection; one that is in use is cut."""
        await self._connections.aclose()
