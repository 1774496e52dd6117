"""What is now: providers, the last reload, open requests, circuit breakers, cooling keys."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from aigateway.addresses import Network
from aigateway.clock import micros
from aigateway.errors import SnapshotUnreadable
from aigateway.interception import UNKNOWN_MODEL
from aigateway.ledger.store import Gauge, Published, ReloadState
from aigateway.pool.providers import Provider, ProviderFault, ProviderStatus
from aigateway.pool.snapshot import snapshot_from, statuses
from aigateway.reload.publishing.names import Names
from aigateway.steps import cut_name
from aigateway.telemetry import catalogue
from aigateway.telemetry.series import Labels, Series, labels_of

BREAKER_AGE = timedelta(minutes=10)
"""A breaker lives in one process; what none has said for so long is closed."""

logger = logging.getLogger(__name__)
InFlight = Mapping[tuple[str, str, str], int]


@final
@dataclass(frozen=True, slots=True)
class PoolView:
    """The providers of the published document: how each is doing, its type, the ids of its keys."""

    statuses: Mapping[str, ProviderStatus]
    types: Mapping[str, str]
    keys: Mapping[str, frozenset[str]]


def pool_view(
    published: Published | None, *, allow_byok: bool, allowed: tuple[Network, ...]
) -> PoolView:
    """Read the published document as gateways do; a damaged one shows no provider."""
    if published is None:
        return PoolView({}, {}, {})
    version, document = published.version, published.document
    try:
        found = snapshot_from(version, document, allow_byok=allow_byok, allowed=allowed)
        outcomes = statuses(document)
    except SnapshotUnreadable as damaged:
        logger.warning("snapshot unreadable: %s", damaged)
        return PoolView({}, {}, {})
    providers, faults = found.providers, found.faults
    states: dict[str, ProviderStatus] = {
        **{name: "enabled" if each.enabled else "disabled" for name, each in providers.items()},
        **{name: "error" if each.enabled else "disabled" for name, each in faults.items()},
    }
    states |= {name: outcome.status for name, outcome in outcomes.items() if name in states}
    built: Mapping[str, Provider | ProviderFault] = {**providers, **faults}
    types = {name: str(each.type or "unknown") for name, each in built.items()}
    keys = {
        name: frozenset(ref.key_id for ref in each.credentials) for name, each in providers.items()
    }
    return PoolView(states, types, keys)


def provider_series(view: PoolView) -> list[Series]:
    return [
        Series(
            catalogue.PROVIDER_INFO,
            labels_of({"provider_name": name, "provider_type": view.types[name], "status": status}),
            1.0,
        )
        for name, status in sorted(view.statuses.items())
    ]


def reload_series(state: ReloadState, attempted_at: datetime | None) -> list[Series]:
    """Return both times; ``attempted_at`` is what this process knows of its own attempts.

    The success is 0 before the first: an absent one would silence the alert about it.
    """
    attempts = [at for at in (state.attempted_at, attempted_at) if at is not None]
    succeeded = 0.0 if state.succeeded_at is None else seconds(state.succeeded_at)
    return [
        Series(catalogue.RELOAD_ATTEMPT, (), max(map(seconds, attempts), default=0.0)),
        Series(catalogue.RELOAD_SUCCESS, (), succeeded),
    ]


def in_flight_series(found: InFlight, names: Names) -> list[Series]:
    amounts: Counter[Labels] = Counter()
    for (provider, model, route), amount in found.items():
        named = names.model(provider, cut_name(model) or UNKNOWN_MODEL)
        amounts[labels_of({"provider": provider, "model": named, "route": route})] += amount
    return [Series(catalogue.INFLIGHT, labels, float(n)) for labels, n in amounts.items()]


def breaker_series(gauges: tuple[Gauge, ...], names: Names, now: datetime) -> list[Series]:
    """Return the states of breakers; of several that have no name of their own the worst."""
    states: dict[Labels, int] = {}
    for gauge in gauges:
        if gauge.kind != "CB":
            continue
        provider, endpoint, model = gauge.key
        named = {"provider": provider, "endpoint": endpoint, "model": names.model(provider, model)}
        value = gauge.values.get("v", 0) if now - gauge.at < BREAKER_AGE else 0
        labels = labels_of(named)
        states[labels] = max(states.get(labels, 0), value)
    return [Series(catalogue.BREAKER_STATE, labels, n / 2) for labels, n in states.items()]


def key_series(view: PoolView, gauges: tuple[Gauge, ...], now: datetime) -> list[Series]:
    """Return how many keys of each provider are in use and how many cool, at this moment."""
    cooling = {gauge.key[0]: gauge.values for gauge in gauges if gauge.kind == "KP"}
    now_ms = micros(now) // 1000
    series: list[Series] = []
    for provider, keys in sorted(view.keys.items()):
        if not keys:
            continue
        marked = cooling.get(provider, {})
        temporary = sum(marked.get(each, 0) > now_ms for each in keys)
        counted = {"valid": len(keys) - temporary, "temporary": temporary, "permanent": 0}
        series += [
            Series(catalogue.KEY_STATE, labels_of({"provider": provider, "state": state}), float(n))
            for state, n in counted.items()
        ]
    return series


def seconds(at: datetime) -> float:
    """Seconds since 1970."""
    return micros(at) / 1_000_000
