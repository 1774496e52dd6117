"""The rules of paging that both stores share."""

from dataclasses import replace

import pytest

from aigateway.errors import CursorInvalid
from aigateway.ledger.listing import (
    Cursor,
    Filter,
    Reach,
    Window,
    caller_hash,
    filter_hash,
    initiator_of,
    place_at,
    shows_session,
    signed,
    size_of,
    unsigned,
)
from aigateway.ledger.rows import whole
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at

KEY = b"k" * 32
CURSOR = Cursor(1_795_490_752_140, "1795490752140#abc")
WINDOW = Window(10, at(0))


def test_a_cursor_comes_back_as_it_was_signed() -> None:
    text = signed(CURSOR, "f", "c", KEY)
    assert unsigned(text, "f", "c", KEY) == CURSOR
    assert text.isascii()
    assert not set(text) & set("+/=&? ")


def test_a_cursor_of_another_filter_caller_or_key_is_refused() -> None:
    text = signed(CURSOR, "f", "c", KEY)
    for filter_name, caller, key in (("g", "c", KEY), ("f", "d", KEY), ("f", "c", b"x" * 32)):
        with pytest.raises(CursorInvalid):
            unsigned(text, filter_name, caller, key)


def test_no_character_of_a_cursor_can_be_changed() -> None:
    text = signed(CURSOR, "f", "c", KEY)
    for number, letter in enumerate(text):
        other = "B" if letter == "A" else "A"
        with pytest.raises(CursorInvalid):
            unsigned(text[:number] + other + text[number + 1 :], "f", "c", KEY)


@pytest.mark.parametrize("text", ["", "=", "a", "é", "not base64!", "\ud83d", "A" * 5000])
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(CursorInvalid):
        unsigned(text, "f", "c", KEY)


def test_every_part_of_a_filter_makes_another_listing() -> None:
    asked = [
        Filter(),
        Filter(initiator_id="x"),
        Filter(provider="x"),
        Filter(provider_name="x"),
        Filter(model="x"),
        Filter(client="x"),
        Filter(session_id="x"),
        Filter(started_after=at(0)),
        Filter(started_before=at(0)),
    ]
    hashes = {filter_hash("sessions", each, WINDOW) for each in asked}
    for other in (replace(WINDOW, inflight=True), replace(WINDOW, auxiliary=True)):
        hashes.add(filter_hash("sessions", Filter(), other))
    hashes.add(filter_hash("interceptions", Filter(), WINDOW))
    assert len(hashes) == 12


def test_page_size_time_and_cursor_make_no_other_listing() -> None:
    other = Window(99, at(5), "cursor")
    assert filter_hash("sessions", Filter(), WINDOW) == filter_hash("sessions", Filter(), other)


def test_callers_are_told_apart_without_being_named() -> None:
    hashes = {caller_hash(Reach(who)) for who in (None, "", "u-alice", "u-bob")}
    assert len(hashes) == 4
    assert not any("alice" in each for each in hashes)


def test_an_interception_fits_only_when_all_holds() -> None:
    opened = an_opened(1, session="s-1")
    fitting = Filter(
        "u-alice", "anthropic", "anthropic", opened.model, "CLAUDE CODE", "s-1", at(1), at(1)
    )
    assert Filter().fits(opened)
    assert fitting.fits(opened)
    for other in (
        replace(fitting, initiator_id="other"),
        replace(fitting, provider="other"),
        replace(fitting, provider_name="other"),
        replace(fitting, model="other"),
        replace(fitting, client="other"),
        replace(fitting, session_id="other"),
    ):
        assert not other.fits(opened)
    assert not replace(fitting, started_after=at(1.000001)).fits(opened)
    assert not replace(fitting, started_before=at(0.999999)).fits(opened)


def test_a_filter_says_what_it_asks_for() -> None:
    assert (Filter().asks_for_names, Filter().asks_for_time) == (False, False)
    assert Filter(client="x").asks_for_names
    assert Filter(started_before=at(0)).asks_for_time


def test_i17_a_members_reach_goes_before_the_filter() -> None:
    assert initiator_of(Filter(), Reach(None)) == (True, None)
    assert initiator_of(Filter(initiator_id="b"), Reach(None)) == (True, "b")
    assert initiator_of(Filter(), Reach("a")) == (True, "a")
    assert initiator_of(Filter(initiator_id="a"), Reach("a")) == (True, "a")
    assert initiator_of(Filter(initiator_id="b"), Reach("a")) == (False, "a")


@pytest.mark.parametrize(
    ("activities", "started", "place"),
    [
        ([90], 90, 90),
        ([100], 90, 100),
        ([120, 90, 80], 80, 90),
        ([150, 140, 130, 120], 110, None),
        ([150, 140, 130, 120], 70, 70),
        ([120, 80, 120, 90], 80, 90),
    ],
)
def test_a_session_stands_where_it_stood_at_t0(
    activities: list[int], started: int, place: int | None
) -> None:
    assert place_at(100, started, activities) == place


@pytest.mark.parametrize(
    ("closed", "main", "is_open", "shown_with"),
    [
        (0, 0, True, {"inflight"}),
        (2, 0, False, {"auxiliary"}),
        (2, 0, True, {"inflight", "auxiliary"}),
        (2, 1, False, {"", "inflight", "auxiliary"}),
    ],
)
def test_sessions_of_nothing_but_open_or_side_requests_are_shown_on_request(
    closed: int, main: int, is_open: bool, shown_with: set[str]
) -> None:
    windows = {
        "": WINDOW,
        "inflight": replace(WINDOW, inflight=True),
        "auxiliary": replace(WINDOW, auxiliary=True),
    }
    shown = {
        name
        for name, window in windows.items()
        if shows_session(window, closed, main, in_flight=is_open)
    }
    assert shown == shown_with


def test_the_size_of_a_record_is_that_of_its_texts() -> None:
    opened = an_opened(prompt="12345")
    closed = a_closed(opened, a_thought("123"), a_tool(text="12"), a_usage())
    assert size_of(whole(opened, closed)) == 5 + 3 + 2 + len("{}")
    assert size_of(whole(an_opened(prompt=None), None)) == 0
