import pytest

from cli.figures import dollars


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (0, "US$0.00"),
        (7, "US$0.000007"),
        (420, "US$0.00042"),
        (42_499, "US$0.042"),
        (250_000, "US$0.25"),
        (1_234_567, "US$1.23"),
        (1_234_567_890, "US$1,234.57"),
    ],
)
def test_an_amount_has_cents_or_its_first_two_digits(micros: int, shown: str) -> None:
    assert dollars(micros) == shown
