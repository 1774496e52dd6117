import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.wire.masking import mask, masked


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
        ("token github_pat_abcdefghijklmnop_1234", "token gith..."),
        ("key=AIza" + "a" * 35 + ".", "key=AIza...."),
        ("sign-in eyJhbGciOiJub.eyJzdWIiOiJ4.sig_1 expired", "sign-in eyJh... expired"),
        ("eyJhbGciOiJub alone is no sign-in", "eyJhbGciOiJub alone is no sign-in"),
        (
            "task-management and risk-averse words stay",
            "task-management and risk-averse words stay",
        ),
        ("no key", "no key"),
    ],
)
def test_credentials_are_cut_out_of_text(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    ("secret", "hint"),
    [
        ("abcdefghijklmnopqrst", "abcd...qrst"),
        ("abcdefghijklmnopqrs", "ab...rs"),
        ("abcdefghij", "ab...ij"),
        ("abcdefghi", "a...i"),
        ("abcde", "a...e"),
        ("abcd", "..."),
        ("", "..."),
    ],
)
def test_a_mask_shows_the_more_the_longer_the_key(secret: str, hint: str) -> None:
    assert mask(secret) == hint


@given(some.text(max_size=100))
def test_i10_a_mask_is_short_and_never_the_key(secret: str) -> None:
    assert len(mask(secret)) <= 15
    assert mask(secret) != secret or secret == "..."
