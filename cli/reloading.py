"""A change on the command line takes effect at once: by this process, or by the scheduled one."""

from argparse import Namespace
from dataclasses import replace
from functools import partial
from ipaddress import ip_network

from aigateway.clock import Clock
from aigateway.ledger.store import Store
from aigateway.reload.tick import tick_of
from aigateway.sessions.kick import Kick, kick_of
from aigateway.settings import Settings

LOOPBACK = tuple(ip_network(text) for text in ("127.0.0.0/8", "::1/128"))


def settings_of(wanted: Namespace) -> Settings:
    """Return the settings; where the store is a file of this machine, loopback is allowed too.

    So it is for the processes of `aigw run`, which find their scripted provider there.
    """
    settings: Settings = wanted.settings
    if settings.table is not None:
        return settings
    return replace(settings, allowed_private_cidrs=(*settings.allowed_private_cidrs, *LOOPBACK))


def reload_for(store: Store, clock: Clock, settings: Settings) -> Kick:
    """Over a file this process reloads, over a table it may ask."""
    if settings.table is not None:
        return kick_of(settings)
    return partial(tick_of(settings, clock).run, store, only_reload=True)
