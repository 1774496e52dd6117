import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.wire.masking import BEARER, FORMS, SIGN_IN, mask, masked

PLAIN = re.compile(rf"\b(?:{FORMS}|{SIGN_IN})|(?<=\bBearer ){BEARER}", re.IGNORECASE)
"""What a credential is, without care for how long the search takes."""

PIECES = [
    "eyJ",
    "eyj",
    "sk-",
    "Bearer ",
    "AKIA",
    "ghp_",
    "a" * 8,
    "B" * 16,
    "0",
    "-",
    "_",
    ".",
    " ",
]


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
        ("eyJhbGciOiJub-sk-abcdefghij", "eyJhbGciOiJub-sk-a..."),
        ("Bearer eyJhbGciOiJub", "Bearer eyJh..."),
        (
            "task-management and risk-averse words stay",
            "task-management and risk-averse words stay",
        ),
        ("no key", "no key"),
    ],
)
def test_credentials_are_cut_out_of_text(text: str, expected: str) -> None:
    assert masked(text) == expected


@given(some.lists(some.sampled_from(PIECES), max_size=12).map("".join))
def test_i10_a_quick_search_finds_what_a_plain_one_does(text: str) -> None:
    assert masked(text) == PLAIN.sub(lambda found: found.group()[:4] + "...", text)


@pytest.mark.parametrize(
    "unit", ["-eyJ", "eyJ-", "-eyJaaaaaaaa", "-sk-", "Bearer ", "eyJaaaaaaaa."]
)
def test_no_text_takes_longer_than_its_length_warrants(unit: str) -> None:
    """What took the square of its length would not end."""
    text = unit * (2_000_000 // len(unit))
    assert len(masked(text)) <= 2 * len(text)


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
