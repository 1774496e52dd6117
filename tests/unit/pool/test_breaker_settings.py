"""When a circuit breaker opens: the deployment's figures, and a provider's own."""

from typing import Any

import pytest

from aigateway.errors import RowInvalid
from aigateway.pool.breaker_settings import (
    BreakerOverrides,
    BreakerSettings,
    deployed,
    overrides_from,
)
from aigateway.settings import Settings


def test_the_deployment_has_it_off_by_default() -> None:
    assert deployed(Settings()) == BreakerSettings(
        enabled=False,
        failure_threshold=5,
        interval_seconds=10.0,
        timeout_seconds=30.0,
        max_requests=3,
    )


def test_a_document_overrides_member_by_member() -> None:
    plain = BreakerSettings(enabled=True, failure_threshold=7)
    assert overrides_from(None) == BreakerOverrides()
    assert overrides_from({}).over(plain) is plain
    half = overrides_from({"enabled": False, "timeout_s": 2.5}).over(plain)
    assert half == BreakerSettings(enabled=False, failure_threshold=7, timeout_seconds=2.5)
    whole = {
        "enabled": True,
        "failure_threshold": 1,
        "interval_s": 2,
        "timeout_s": 3600,
        "max_requests": 1000,
    }
    assert overrides_from(whole).over(plain) == BreakerSettings(
        enabled=True,
        failure_threshold=1,
        interval_seconds=2.0,
        timeout_seconds=3600.0,
        max_requests=1000,
    )


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ([], "circuit_breaker: expected an object"),
        (True, "circuit_breaker: expected an object"),
        ({"treshold": 1}, "circuit_breaker: expected an object"),
        ({"enabled": "true"}, "circuit_breaker.enabled: expected true or false"),
        ({"failure_threshold": 0}, "circuit_breaker.failure_threshold: expected a number"),
        ({"failure_threshold": 1001}, "circuit_breaker.failure_threshold: expected a number"),
        ({"failure_threshold": True}, "circuit_breaker.failure_threshold: expected a number"),
        ({"max_requests": 1.5}, "circuit_breaker.max_requests: expected a number"),
        ({"interval_s": 0}, "circuit_breaker.interval_s: expected seconds"),
        ({"interval_s": "10s"}, "circuit_breaker.interval_s: expected seconds"),
        ({"timeout_s": 3601}, "circuit_breaker.timeout_s: expected seconds"),
        ({"timeout_s": float("nan")}, "circuit_breaker.timeout_s: expected seconds"),
        ({"timeout_s": None}, "circuit_breaker.timeout_s: expected seconds"),
    ],
)
def test_anything_else_is_refused_by_the_name_of_the_member(
    member: Any,  # noqa: ANN401 - what a row may hold
    reason: str,
) -> None:
    with pytest.raises(RowInvalid) as raised:
        overrides_from(member)
    assert str(raised.value).startswith(reason)
