"""Times are exact, ids carry their time."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.clock import SystemClock, from_micros, micros, milliseconds_of, uuid7

MOMENTS = some.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis takes bounds without zone
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001 - the same
    timezones=some.just(UTC),
)


@given(MOMENTS)
def test_i21_microseconds_hold_any_moment_exactly(moment: datetime) -> None:
    back = from_micros(micros(moment))
    assert back == moment
    assert back.tzinfo is UTC


@given(MOMENTS)
def test_microseconds_are_the_same_in_every_time_zone(moment: datetime) -> None:
    assert micros(moment.astimezone(timezone(timedelta(hours=5, minutes=30)))) == micros(moment)


@given(MOMENTS)
def test_an_id_is_a_uuid7_of_its_millisecond(moment: datetime) -> None:
    made = UUID(uuid7(moment))
    assert (made.version, made.variant) == (7, RFC_4122)
    assert milliseconds_of(str(made)) == micros(moment) // 1000


@given(MOMENTS, some.integers(min_value=1, max_value=10**9))
def test_ids_sort_by_their_milliseconds(moment: datetime, later: int) -> None:
    assert uuid7(moment) < uuid7(moment + timedelta(milliseconds=later))


def test_ids_of_one_millisecond_differ() -> None:
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    assert len({uuid7(moment) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no id",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "019AB000-0000-7000-8000-000000000000",
        "019ab000000070008000000000000000",
        "{019ab000-0000-7000-8000-000000000000}",
        "019ab000-0000-7000-c000-000000000000",
    ],
)
def test_no_other_text_is_taken_for_an_id_of_ours(text: str) -> None:
    assert milliseconds_of(text) is None


def test_the_systems_clock_is_aware_and_its_durations_never_go_back() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
