"""What changes providers, put together for the API and for the command line alike."""

from aigateway.clock import Clock
from aigateway.ledger.store import Directory
from aigateway.outbound import Resolve, addresses_of
from aigateway.pool.secrets import WritableSecrets
from aigateway.sessions.configuring import Configuring
from aigateway.sessions.kick import Kick
from aigateway.sessions.provider_checks import ProviderChecks
from aigateway.settings import Settings


def configuring_of(
    settings: Settings,
    directory: Directory,
    secrets: WritableSecrets,
    clock: Clock,
    kick: Kick,
    resolve: Resolve = addresses_of,
) -> Configuring:
    checks = ProviderChecks(secrets, settings, resolve)
    return Configuring(directory, secrets, checks, clock, settings, kick)
