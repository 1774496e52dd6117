"""A process of the product that nobody started for it: its address, and what it begins with."""

import socket
from collections.abc import Mapping

from aigateway.clock import SystemClock
from aigateway.errors import SettingsError
from aigateway.ledger import open_store
from aigateway.pool.secrets import open_secrets
from aigateway.settings import Settings
from local.first_start import first_key, put_providers, wanted_key
from local.foreground import PORTS
from local.provider_variables import named_providers

WAITING = 2048


def listening_at(name: str, settings: Settings) -> socket.socket:
    """Bind the address of the settings. Raises ``SettingsError``."""
    host, port = settings.http_address
    _, usual = PORTS[name]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its protocol asyncio knows TCP, whose small writes must not wait for each other.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, usual if port is None else port))
        listening.listen(WAITING)
    except OSError as fault:
        listening.close()
        raise SettingsError(
            [f"AIGW_HTTP_ADDRESS: the address cannot be used ({fault.strerror})"]
        ) from None
    return listening


async def prepare(settings: Settings, environment: Mapping[str, str]) -> None:
    """Make the first key and the providers that the environment names.

    Where a secret takes the first key the schedule makes it. Raises ``SettingsError``,
    ``LedgerFault``.
    """
    wanted, named = wanted_key(environment), named_providers(environment)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store, clock = open_store(settings), SystemClock()
    await store.start()
    try:
        if settings.admin_key_secret is None:
            await first_key(store, settings.state_dir, wanted, clock)
        if named is not None:
            await put_providers(
                store,
                open_secrets(settings),
                named,
                settings.allowed_private_cidrs,
                clock.now(),
            )
    finally:
        await store.stop()
