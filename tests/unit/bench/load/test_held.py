import pytest

from bench.load.held import Held
from bench.load.plan import GROWTH_LIMIT_MIB, WARM_UP_SECONDS


def test_a_rise_in_the_warm_up_is_no_growth() -> None:
    held = Held(10, tuple(40 + min(second, WARM_UP_SECONDS) / 10 for second in range(600)))
    assert held.growth == pytest.approx(0, abs=0.01)
    assert held.above_bare == 30 + WARM_UP_SECONDS / 10


def test_a_small_leak_is_told_over_the_noise() -> None:
    """12 KiB each second under 6 MiB that come and go."""
    noise = [(second * 37 % 60) / 10 for second in range(600)]
    level = Held(10, tuple(40 + wave for wave in noise))
    leaking = Held(10, tuple(40 + wave + s * 12 / 1024 for s, wave in enumerate(noise)))
    assert level.growth < GROWTH_LIMIT_MIB / 2
    assert leaking.growth > GROWTH_LIMIT_MIB
    assert leaking.grows
    assert not level.grows


def test_a_short_run_tells_of_no_growth() -> None:
    rising = tuple(40.0 + second for second in range(60))
    assert Held(10, rising).growth > GROWTH_LIMIT_MIB
    assert not Held(10, rising).grows


def test_one_figure_has_no_slope() -> None:
    assert Held(10, (40.0,)).growth == 0
