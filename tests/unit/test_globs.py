"""Patterns for names, against the standard library's."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.globs import GLOB_LIMIT, is_glob, matches, matches_any

LETTERS = some.text("abA.*?", max_size=12)


@given(LETTERS, some.text("abA.", max_size=12))
def test_a_pattern_means_what_it_means_to_a_shell(glob: str, text: str) -> None:
    expected = re.fullmatch(fnmatch.translate(glob), text) is not None
    assert matches(glob, text) is expected


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("claude-*", "claude-haiku-4-5", True),
        ("claude-*", "my-claude-haiku", False),
        ("claude-*", "Claude-haiku", False),
        ("*haiku*", "claude-haiku-4-5", True),
        ("gpt-?", "gpt-5", True),
        ("gpt-?", "gpt-", False),
        ("gpt-?", "gpt-55", False),
        ("gpt-5", "gpt-5\n", False),
        ("*", "", True),
        ("?", "é", True),
        ("[a]", "a", False),
        ("[a]", "[a]", True),
    ],
)
def test_a_pattern_fits_a_whole_name(glob: str, text: str, *, expected: bool) -> None:
    assert matches(glob, text) is expected


def test_a_pattern_of_many_stars_ends_soon() -> None:
    assert not matches("*a" * 100 + "b", "a" * 100_000)


def test_any_of_several_is_enough_and_none_fits_nothing() -> None:
    assert matches_any(("x", "a*"), "ab")
    assert not matches_any((), "ab")


@pytest.mark.parametrize("bad", ["", "a\n", "x" * (GLOB_LIMIT + 1), 5, None, ["a"]])
def test_a_pattern_is_a_short_printable_text(bad: object) -> None:
    assert not is_glob(bad)
    assert is_glob("x" * GLOB_LIMIT)
