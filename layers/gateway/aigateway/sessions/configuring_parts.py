"""What changes providers, put together for the API and for the command line alike."""

from aigateway.clock import Clock
from aigateway.ledger.store import Directory
from aigateway.outbound import Resolve, addresses_of
from aigateway.pool.secrets import WritableSecrets
from aigateway.sessions.configuring import Configuring, Kick
from aigateway.sessions.kick import ReloadFunction, no_kick
from aigateway.sessions.provider_checks import ProviderChecks
from aigateway.settings import Settings


def configuring_of(
    settings: Settings,
    directory: Directory,
    secrets: WritableSecrets,
    clock: Clock,
    kick: Kick | None = None,
    resolve: Resolve = addresses_of,
) -> Configuring:
    """``kick`` reloads the pool; without it the function does that the settings name, if any."""
    if kick is None:
        name = settings.reload_function
        kick = no_kick if name is None else ReloadFunction(name)
    checks = ProviderChecks(secrets, settings, resolve)
    return Configuring(directory, secrets, checks, clock, settings, kick)
