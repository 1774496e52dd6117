"""What is now, as series."""

import json
from datetime import timedelta

import pytest

from aigateway.ledger.store import Gauge, Published, ReloadState
from aigateway.reload.publishing.gauges import (
    PoolView,
    breaker_series,
    in_flight_series,
    key_series,
    pool_view,
    provider_series,
    reload_series,
)
from aigateway.reload.publishing.names import Names
from aigateway.telemetry.series import Series
from tests.builders import at

NAMES = Names({"p": {"m"}}, {})
KEYS = [{"id": "k1", "masked": "s…1"}, {"id": "k2", "masked": "s…2"}]
ROWS = [
    {"name": "good", "type": "anthropic", "api_keys": KEYS},
    {"name": "off", "type": "openai", "enabled": False, "api_keys": []},
    {"name": "bad", "type": "anthropic", "base_url": "http://example.com"},
]


def view_of(**more: object) -> PoolView:
    document = json.dumps({"providers": ROWS, **more}).encode()
    return pool_view(Published(1, "d", document), allow_byok=True, allowed=())


def shown(series: list[Series]) -> dict[str, float]:
    return {",".join(value for _, value in each.labels): each.value for each in series}


def test_each_provider_has_one_status() -> None:
    assert shown(provider_series(view_of())) == {
        "good,anthropic,enabled": 1.0,
        "off,openai,disabled": 1.0,
        "bad,anthropic,error": 1.0,
    }


def test_published_outcomes_are_taken_as_they_are() -> None:
    outcomes = {
        "good": {"status": "error", "reason": "the secret cannot be read"},
        "off": {"status": "disabled"},
        "gone": {"status": "enabled"},
    }
    assert shown(provider_series(view_of(outcomes=outcomes))) == {
        "good,anthropic,error": 1.0,
        "off,openai,disabled": 1.0,
        "bad,anthropic,error": 1.0,
    }


def test_without_a_snapshot_there_is_no_provider() -> None:
    view = pool_view(None, allow_byok=True, allowed=())
    assert provider_series(view) == key_series(view, (), at(0)) == []


def test_a_reload_that_never_succeeded_succeeded_at_0() -> None:
    state = ReloadState(0, "", at(5), None)
    assert [each.value for each in reload_series(state, None)] == [at(5).timestamp(), 0.0]
    nothing = ReloadState(0, "", None, None)
    assert [each.value for each in reload_series(nothing, None)] == [0.0, 0.0]


def test_the_newest_attempt_counts_whoever_knows_of_it() -> None:
    state = ReloadState(1, "d", at(65), at(60))
    for own, newest in ((None, 65), (at(64), 65), (at(125), 125)):
        times = [each.value for each in reload_series(state, own)]
        assert times == [at(newest).timestamp(), at(60).timestamp()]


def test_a_damaged_document_shows_no_provider(caplog: pytest.LogCaptureFixture) -> None:
    view = pool_view(Published(1, "d", b"{"), allow_byok=True, allowed=())
    assert provider_series(view) == []
    assert "snapshot unreadable" in caplog.text


def test_requests_in_flight_are_summed_under_the_names_that_are_shown() -> None:
    found = {("p", "m", "/r"): 2, ("p", "x", "/r"): 3, ("p", "y", "/r"): 4}
    assert shown(in_flight_series(found, NAMES)) == {"m,p,/r": 2.0, "other,p,/r": 7.0}


def test_a_breaker_shows_its_state_until_it_is_ten_minutes_old() -> None:
    def breaker(model: str, value: int, seconds: float) -> Gauge:
        return Gauge("CB", ("p", "/r", model), {"v": value}, at(seconds))

    now = at(0) + timedelta(minutes=10)
    gauges = (
        breaker("m", 1, 1),
        breaker("x", 0, 1),
        breaker("y", 2, 1),
        breaker("unknown", 2, 0),
        Gauge("KP", ("p",), {"k1": 1}, at(1)),
    )
    assert shown(breaker_series(gauges, NAMES, now)) == {
        "/r,m,p": 0.5,
        "/r,other,p": 1.0,
        "/r,unknown,p": 0.0,
    }


def test_keys_cool_until_their_time_without_another_word() -> None:
    until = int(at(30).timestamp() * 1000)
    gauges = (Gauge("KP", ("good",), {"k1": until, "k1#status": 429}, at(0)),)
    assert shown(key_series(view_of(), gauges, at(29))) == {
        "good,valid": 1.0,
        "good,temporary": 1.0,
        "good,permanent": 0.0,
    }
    assert shown(key_series(view_of(), gauges, at(30)))["good,valid"] == 2.0
    assert shown(key_series(view_of(), (), at(0)))["good,valid"] == 2.0
