"""A clock that was set: what looks old may be young."""

import pytest

from aigateway.reload.ages import Ages
from tests.clocks import HeldClock


def test_time_that_only_passes_makes_things_old() -> None:
    ages = Ages(clock := HeldClock())
    for seconds in (0, 60, 7 * 86_400):
        clock.advance(seconds)
        assert ages.are_believed()


@pytest.mark.parametrize("seconds", [60, 3_600, 50 * 365 * 86_400])
def test_after_a_jump_ahead_no_age_is_believed_for_twenty_minutes(
    seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    ages = Ages(clock := HeldClock())
    clock.advance(300)
    clock.thaw_after(seconds)
    assert not ages.are_believed()
    clock.advance(20 * 60 - 1)
    assert not ages.are_believed()
    clock.advance(1)
    assert ages.are_believed()
    assert caplog.messages == [
        f"the clock ran ahead by {seconds} s: nothing is swept for 1200 s",
    ]


def test_a_clock_that_goes_back_or_is_put_right_changes_nothing() -> None:
    ages = Ages(clock := HeldClock())
    for seconds in (-3_600, -0.5, 0.5, 59):
        clock.thaw_after(seconds)
        assert ages.are_believed()


def test_each_jump_is_waited_out() -> None:
    ages = Ages(clock := HeldClock())
    clock.thaw_after(3_600)
    assert not ages.are_believed()
    clock.advance(1_000)
    clock.thaw_after(3_600)
    assert not ages.are_believed()
    clock.advance(1_199)
    assert not ages.are_believed()
    clock.advance(1)
    assert ages.are_believed()
