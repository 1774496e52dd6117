import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.sessions.search import KEYS, MALFORMED, NO_KEY, UNENDED, Fault, pairs, prefix


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  \t ", []),
        ("model:gpt-5", [("model", "gpt-5")]),
        ("  MODEL:gpt-5  Client:Codex ", [("model", "gpt-5"), ("client", "Codex")]),
        ('client:"Claude Code" model:x', [("client", "Claude Code"), ("model", "x")]),
        ('session_id:"a:b"', [("session_id", "a:b")]),
        ('session_id:a" "b":"c', [("session_id", "a b:c")]),
        ('started_after:"2026-01-31T12:00:00Z"', [("started_after", "2026-01-31T12:00:00Z")]),
        ('"model":x', [("model", "x")]),
        ("model:x model:x", [("model", "x"), ("model", "x")]),
    ],
)
def test_elements_are_keys_with_values(text: str, found: list[tuple[str, str]]) -> None:
    assert pairs(text, None) == (found, [])


@pytest.mark.parametrize(
    "text", ["model:", ":x", ":", "::", "model:a:b", 'model:""', '"":x', "a::b", "model:x :"]
)
def test_an_element_has_one_colon_within(text: str) -> None:
    assert MALFORMED in pairs(text, None)[1]


def test_an_unknown_key_a_bare_word_and_an_open_quote_are_refused() -> None:
    ((fault,),) = (pairs("models:x", None)[1],)
    assert fault.field == "q"
    assert all(key in fault.detail for key in KEYS)
    assert pairs("alice", None)[1] == [NO_KEY] == [Fault("q", "no search key specified")]
    assert pairs("alice", "initiator") == ([("initiator", "alice")], [])
    assert pairs('model:"x', None)[1] == [UNENDED]
    assert pairs("a b c", None)[1] == [NO_KEY], "a fault is named once"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("gpt", "gpt"),
        ("model:gpt", "gpt"),
        ("Model:gpt", "gpt"),
        ('"a:b"', "a:b"),
        ('model:"a:b c"', "a:b c"),
        ("Claude Co", "Claude Co"),
    ],
)
def test_a_prefix_is_bare_or_behind_its_key(text: str, found: str) -> None:
    assert prefix(text, ("model",)) == (found, [])


@pytest.mark.parametrize(
    "text", ["client:x", "model:", "model:a model:b", "a model:b", '"a', "a:b:c"]
)
def test_another_prefix_is_refused(text: str) -> None:
    assert [fault.field for fault in prefix(text, ("model",))[1]] == ["q"]


@given(
    st.dictionaries(
        st.sampled_from(sorted(KEYS)), st.text(min_size=1).filter(lambda t: '"' not in t)
    )
)
def test_any_value_can_be_quoted(values: dict[str, str]) -> None:
    text = " ".join(f'{key}:"{value}"' for key, value in values.items())
    assert pairs(text, None) == (list(values.items()), [])


def test_a_long_text_takes_no_long_time() -> None:
    began = time.process_time()
    for text in (":" * 50_000, '"' * 50_000, "a:" * 50_000, ' "' * 25_000, "x" * 100_000):
        pairs(text, None)
        prefix(text, ("model",))
    assert time.process_time() - began < 5
