import pytest

from aigateway.wire.masking import masked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Incorrect API key provided: sk-proj-abcdefghij0123.",
            "Incorrect API key provided: sk-p....",
        ),
        ("key aigw_0011223344556677_" + "k" * 43 + " ended", "key aigw... ended"),
        ("Authorization: Bearer eyJhbGciOi.x.y", "Authorization: Bearer eyJh..."),
        ("AKIAABCDEFGHIJKLMNOP", "AKIA..."),
        ("token ghp_abcdefghijklmnop1234", "token ghp_..."),
        (
            "task-management and risk-averse words stay",
            "task-management and risk-averse words stay",
        ),
        ("no key", "no key"),
    ],
)
def test_credentials_are_cut_out_of_text(text: str, expected: str) -> None:
    assert masked(text) == expected
