"""Which key of a provider a request takes, and for how long one cools."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from aigateway.clock import micros
from aigateway.pool.keyring import (
    Keyring,
    Keyrings,
    Mark,
    cooling_ms,
    shortest_wait_ms,
)
from aigateway.pool.providers import SecretRef
from tests.builders import T0

NOW = micros(T0) // 1000
KEYS = tuple(SecretRef("main", key_id, "sk-a...wxyz") for key_id in ("k1", "k2", "k3"))


def limited(seconds: float) -> Mark:
    return Mark(NOW + int(seconds * 1000), 429)


def first(ring: Keyring, seconds: float = 0, tried: frozenset[str] = frozenset()) -> str | None:
    found = ring.first(KEYS, tried, NOW + int(seconds * 1000))
    return found and found.key_id


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, 60),
        (b"30", 30),
        (b" 9 ", 9),
        (b"0", 0),
        (b"3600", 3600),
        (b"3601", 3600),
        (b"99999999999999999999", 3600),
        (b"-5", 60),
        (b"1.5", 60),
        (b"", 60),
        (b"soon", 60),
        (b"\xff\xfe", 60),
        (format_datetime(T0 + timedelta(seconds=90), usegmt=True).encode(), 90),
        (format_datetime(T0 - timedelta(seconds=90), usegmt=True).encode(), 0),
        (format_datetime(T0 + timedelta(days=2), usegmt=True).encode(), 3600),
        (b"Tuesday, 24-Nov-26 12:00:20 GMT", 20),
        (b"Tue Nov 24 12:00:10 2026", 10),
        (b"Tue, 99 Nov 2026 12:00:10 GMT", 60),
    ],
)
def test_a_limited_key_cools_for_as_long_as_the_answer_says(
    said: bytes | None, seconds: int
) -> None:
    assert cooling_ms(429, said, NOW) == seconds * 1000


def test_a_key_that_is_not_accepted_cools_for_a_minute_whatever_is_said() -> None:
    assert cooling_ms(401, b"5", NOW) == 60_000


def test_the_first_key_that_does_not_cool_is_taken() -> None:
    ring = Keyring()
    assert first(ring) == "k1"
    ring.mark("k1", limited(30), NOW)
    assert first(ring) == "k2"
    assert first(ring, tried=frozenset({"k2"})) == "k3"
    ring.mark("k2", limited(10), NOW)
    ring.mark("k3", limited(20), NOW)
    assert [first(ring, s) for s in (9.999, 10, 29.999, 30)] == [None, "k2", "k2", "k1"]


def test_a_later_deadline_wins_and_only_a_change_is_news() -> None:
    ring = Keyring()
    assert ring.mark("k1", limited(30), NOW) == "begun"
    assert ring.mark("k1", Mark(NOW + 9_000, 401), NOW) == "known"
    assert ring.mark("k1", limited(30.5), NOW) == "known"
    assert ring.mark("k1", limited(60), NOW) == "prolonged"
    assert ring.told("k1") == {"k1": NOW + 60_000, "k1#status": 429}
    assert ring.mark("k1", limited(70), NOW + 60_000) == "begun"


def test_a_deadline_that_is_too_far_off_comes_from_a_clock_gone_wrong() -> None:
    ring = Keyring()
    ring.mark("k1", limited(3600), NOW)
    assert first(ring, -1) == "k1"
    assert first(ring, 0) == "k2"


def test_what_refuses_is_every_key_that_cools_or_was_refused_just_now() -> None:
    ring = Keyring()
    ring.mark("k1", limited(30), NOW)
    ring.mark("k2", limited(0), NOW)
    assert ring.refusing(KEYS, frozenset(), NOW) == (limited(30),)
    marks = ring.refusing(KEYS, frozenset({"k2"}), NOW)
    assert marks == (limited(30), limited(0))
    assert shortest_wait_ms(marks, NOW) == 0
    assert shortest_wait_ms(marks[:1], NOW + 1) == 29_999
    assert shortest_wait_ms((Mark(NOW + 5, 401),), NOW) is None


def test_what_others_told_counts_like_what_was_seen() -> None:
    ring, other = Keyring(), Keyring()
    ring.mark("k1", limited(30), NOW)
    other.mark("k2", limited(9), NOW)
    other.learn(ring.told("k1"), NOW)
    assert first(other) == "k3"
    assert first(other, 9) == "k2"


@pytest.mark.parametrize("seconds", [-1, 0, 3601])
def test_what_is_past_or_too_far_off_teaches_nothing(seconds: int) -> None:
    ring = Keyring()
    ring.learn({"k1": NOW + seconds * 1000, "k1#status": 429}, NOW)
    assert first(ring) == "k1"


def test_a_key_without_a_status_teaches_nothing() -> None:
    ring = Keyring()
    ring.learn({"k1": NOW + 5}, NOW)
    assert first(ring) == "k1"


def test_each_provider_has_one_keyring() -> None:
    rings = Keyrings()
    assert rings.of("a") is rings.of("a")
    assert rings.of("a") is not rings.of("b")
