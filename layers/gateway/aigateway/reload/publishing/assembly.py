"""From settings to the publisher of a process."""

import logging
from functools import partial

from aigateway import __version__
from aigateway.clock import Clock
from aigateway.pool.vault import Vault
from aigateway.reload.pool import Reload
from aigateway.reload.publish import Publisher, Sinks
from aigateway.reload.publishing.gather import View
from aigateway.reload.publishing.gauges import pool_view
from aigateway.reload.publishing.push import Receiver, RemoteWrite
from aigateway.reload.publishing.remote import Remote, target_of
from aigateway.reload.publishing.sinks import (
    JOB,
    Anonymous,
    Authorizing,
    FromSecret,
    HttpReceiver,
    Pushgateway,
    Signed,
    sending,
)
from aigateway.settings import Settings, region_of_workspace

logger = logging.getLogger(__name__)


def publisher_of(settings: Settings, clock: Clock, vault: Vault, reload: Reload) -> Publisher:
    """Return the publisher for the sinks of the settings, of which there has to be one."""
    wanted = settings.metric_sinks
    if {"remote-write", "pushgateway"} <= wanted:
        logger.warning(
            "metrics go by remote write and to a Pushgateway: one Prometheus that gets both"
            " counts everything twice"
        )
    sends = sending(settings.allowed_private_cidrs)
    pushgateway = None
    if "pushgateway" in wanted and settings.prom_pushgateway_url is not None:
        pushgateway = Pushgateway(settings.prom_pushgateway_url, settings.metrics_instance, sends)
    remote = None
    if "remote-write" in wanted and settings.prom_remote_write_url is not None:
        url = settings.prom_remote_write_url
        receiver = HttpReceiver(url, authorizing(settings, url, clock, vault), sends, __version__)
        remote = remote_of(settings, url, receiver, clock)
    return Publisher(
        Sinks(remote, pushgateway, "endpoint" in wanted),
        clock,
        view_of(settings),
        lambda: reload.remembered.attempted_at,
        has_twins=settings.legacy_metric_names,
    )


def remote_of(settings: Settings, url: str, receiver: Receiver, clock: Clock) -> Remote:
    """Return what pushes to a receiver at ``url``, every series labelled as ours."""
    instance = settings.metrics_instance
    writing = RemoteWrite(receiver, (("instance", instance), ("job", JOB)), clock)
    return Remote(writing, target_of(url, instance), has_twins=settings.legacy_metric_names)


def view_of(settings: Settings) -> View:
    """Return what reads the published document as the gateways of this deployment do."""
    return partial(
        pool_view, allow_byok=settings.allow_byok, allowed=settings.allowed_private_cidrs
    )


def authorizing(settings: Settings, url: str, clock: Clock, vault: Vault) -> Authorizing:
    """Return what authorizes remote writes to ``url``."""
    region = region_of_workspace(url)
    if settings.prom_auth == "sigv4" and region is not None:
        return Signed(region, clock)
    if settings.prom_auth in ("bearer", "basic") and settings.prom_auth_secret is not None:
        return FromSecret(settings.prom_auth, settings.prom_auth_secret, vault, clock)
    return Anonymous()
