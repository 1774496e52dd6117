"""The share of traces that is sampled."""

import pytest

from aigateway.telemetry.sampling import VARIABLE, ratio_of


@pytest.mark.parametrize(("text", "ratio"), [("0", 0), ("0.25", 0.25), ("1", 1), ("", 1)])
def test_a_ratio_is_read(text: str, ratio: float) -> None:
    assert ratio_of({VARIABLE: text}) == ratio


@pytest.mark.parametrize("text", ["2", "-0.1", "some", "nan", "inf"])
def test_nonsense_samples_all_and_is_told(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert ratio_of({VARIABLE: text}) == 1
    assert "from 0 to 1" in caplog.text


def test_nothing_said_samples_all() -> None:
    assert ratio_of({}) == 1
