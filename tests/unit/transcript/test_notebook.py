from dataclasses import replace

import pytest

from aigateway.errors import Misheard
from aigateway.transcript.facts import Answered, Dialect, Fact, Thought, TokenUsage
from aigateway.transcript.notebook import (
    FACTS_LIMIT_BYTES,
    Notebook,
    Text,
    cut_to,
    identifier,
)
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening


def thought(text: str) -> Fact:
    return Thought(None, "thinking", text, truncated=False)


def test_facts_are_told_in_the_order_in_which_they_began() -> None:
    notebook = Notebook()
    first, second, third = (notebook.place() for _ in range(3))
    notebook.fill(second, [thought("b"), thought("c")])
    notebook.fill(third, [])
    assert notebook.told() == []
    notebook.fill(first, [thought("a")])
    assert notebook.told() == [thought(text) for text in "abc"]
    assert notebook.told() == []
    notebook.fill(notebook.place(), [thought("d")])
    assert notebook.told() == [thought("d")]


def test_a_place_costs_256_bytes_though_nothing_comes_of_it() -> None:
    notebook = Notebook()
    for _ in range(FACTS_LIMIT_BYTES // 256):
        notebook.place()
    with pytest.raises(Misheard) as raised:
        notebook.spend(1)
    assert raised.value.reason == "facts_too_large"


def test_a_text_costs_its_characters_and_no_more_past_its_limit() -> None:
    notebook = Notebook()
    text = Text(notebook, 10)
    for piece in ("123456", "", 7, None, "7890", "x", "y"):
        text.add(piece)
    assert (str(text), text.is_cut) == ("1234567890", True)
    notebook.spend(FACTS_LIMIT_BYTES - 10)
    with pytest.raises(Misheard):
        notebook.spend(1)


def test_a_text_as_long_as_its_limit_is_whole() -> None:
    text = Text(Notebook(), 3)
    assert not text
    text.add("ab")
    text.add("c")
    assert text
    assert (str(text), text.is_cut) == ("abc", False)


def test_a_text_that_is_too_long_is_cut_within_the_fragment() -> None:
    text = Text(Notebook(), 4)
    text.add("abc")
    text.add("def")
    assert (str(text), text.is_cut) == ("abcd", True)


def test_the_first_id_and_model_that_say_something_are_kept() -> None:
    notebook = Notebook()
    for response_id, model in ((None, ""), ("r", 7), ("s", "m"), ("t", "n")):
        notebook.identify(response_id, model)
    notebook.note("odd")
    notebook.note("odd", 3)
    notebook.note("even", 2)
    assert notebook.answered() == [Answered("r", "m", {"odd": 4, "even": 2})]


@pytest.mark.parametrize(
    "heard",
    [{"response_id": "r", "model": None}, {"response_id": None, "model": "m"}],
    ids=["id", "model"],
)
def test_an_answer_of_which_one_thing_was_heard_is_a_fact(heard: dict[str, str | None]) -> None:
    notebook = Notebook()
    assert notebook.answered() == []
    notebook.identify(**heard)
    assert notebook.answered() == [Answered(heard["response_id"], heard["model"])]


def test_no_half_of_a_character_leaves_in_any_member() -> None:
    notebook = Notebook()
    notebook.fill(
        notebook.place(), [Thought("r\ud83d", "thinking", "\ud83d\ude00", truncated=False)]
    )
    assert notebook.told() == [Thought("r\ufffd", "thinking", "😀", truncated=False)]
    notebook.note("n\ud83d", 2)
    assert notebook.answered() == [Answered(None, None, {"n\ufffd": 2})]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a" * 513, "a" * 512),
        ("", None),
        (7, None),
        (None, None),
        (b"a", None),
        ("\ud83d", "\ufffd"),
    ],
)
def test_an_identifier_is_a_text_of_at_most_512_characters(
    value: object, expected: str | None
) -> None:
    assert identifier(value) == expected


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abcd", 4, "abcd"),
        ("abcde", 4, "abcd"),
        ("éé", 4, "éé"),
        ("éé", 3, "é"),
        ("aé€😀", 9, "aé€"),
        ("aé€😀", 10, "aé€😀"),
        ("a", 0, ""),
    ],
)
def test_a_text_is_cut_at_a_character(text: str, limit: int, expected: str) -> None:
    assert cut_to(text, limit) == expected


def test_a_text_that_is_short_enough_is_the_same_object() -> None:
    text = "éé"
    assert cut_to(text, 4) is text
    assert cut_to(text, 8) is text


def test_a_route_that_records_no_prompt_has_none_and_says_nothing_of_it() -> None:
    body = b'{"messages":[{"role":"user","content":[{"type":"image"}]}]}'
    opening = read_opening(Dialect.MESSAGES, body, None)
    assert (opening.prompt, opening.prompt_unavailable) == (None, None)
    assert read_opening(Dialect.MESSAGES, body, filter_for("")).prompt_unavailable == "non_text"


def test_the_numbers_beside_a_broken_name_stay() -> None:
    notebook = Notebook()
    usage = TokenUsage(None, 1, 2, 3, 4, {"n\ud83d": 5, "m": "\ud83d"}, None, "{}", partial=False)
    notebook.fill(notebook.place(), [usage])
    assert notebook.told() == [replace(usage, extra={"n\ufffd": 5, "m": "\ufffd"})]
