"""When a circuit breaker opens and closes: the deployment's figures, and a provider's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from aigateway.errors import RowInvalid
from aigateway.settings import MOST_REQUESTS, Settings

MOST_SECONDS = 3600


@final
@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """``failure_threshold`` failures in a row, and within ``interval_seconds``, open a circuit.

    It stays open for ``timeout_seconds``; then ``max_requests`` trials decide.
    """

    enabled: bool = False
    failure_threshold: int = 5
    interval_seconds: float = 10.0
    timeout_seconds: float = 30.0
    max_requests: int = 3


def deployed(settings: Settings) -> BreakerSettings:
    """Return the deployment's figures."""
    return BreakerSettings(
        enabled=settings.circuit_breaker_enabled,
        failure_threshold=settings.circuit_breaker_failure_threshold,
        interval_seconds=settings.circuit_breaker_interval_seconds,
        timeout_seconds=settings.circuit_breaker_timeout_seconds,
        max_requests=settings.circuit_breaker_max_requests,
    )


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise RowInvalid("expected true or false")
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_REQUESTS:
        raise RowInvalid(f"expected a number from 1 to {MOST_REQUESTS}")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowInvalid("expected seconds")
    if not 0 < value <= MOST_SECONDS:
        raise RowInvalid(f"expected seconds, more than 0 and at most {MOST_SECONDS}")
    return float(value)


MEMBERS: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "enabled": ("enabled", _switch),
    "failure_threshold": ("failure_threshold", _number),
    "interval_s": ("interval_seconds", _seconds),
    "timeout_s": ("timeout_seconds", _seconds),
    "max_requests": ("max_requests", _number),
}


@final
@dataclass(frozen=True, slots=True)
class BreakerOverrides:
    """What a provider's document says; the rest is the deployment's."""

    members: tuple[tuple[str, object], ...] = ()

    def over(self, settings: BreakerSettings) -> BreakerSettings:
        changed: dict[str, Any] = dict(self.members)
        return replace(settings, **changed) if changed else settings


NO_OVERRIDES = BreakerOverrides()


def overrides_from(member: object) -> BreakerOverrides:
    """Read the member ``circuit_breaker`` of a document. Raises ``RowInvalid``."""
    if member is None:
        return NO_OVERRIDES
    if not isinstance(member, dict) or member.keys() - MEMBERS.keys():
        raise RowInvalid(f"circuit_breaker: expected an object with {', '.join(MEMBERS)}")
    read: list[tuple[str, object]] = []
    for name, value in member.items():
        field, reader = MEMBERS[name]
        try:
            read.append((field, reader(value)))
        except RowInvalid as wrong:
            raise RowInvalid(f"circuit_breaker.{name}: {wrong}") from None
    return BreakerOverrides(tuple(read))
