"""Records as lines."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aigateway.ledger.rows import whole
from aigateway.ledger.transfer import LineInvalid, line_of, row_in
from tests.builders import a_closed, a_prompt, a_thought, a_tool, a_usage, an_opened

TEXTS = st.text(st.characters())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)
OPENED, ANSWERED = an_opened(), (a_thought(), a_tool(), a_usage())


@given(TEXTS, TEXTS, TEXTS, st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=3))
def test_a_line_comes_back_as_the_same_line(
    prompt: str, said: str, name: str, extra: dict[str, int | str]
) -> None:
    opened = replace(OPENED, prompt=a_prompt(prompt), model=name, metadata=extra)
    closed = a_closed(opened, a_thought(said), a_tool(name, text=said), a_usage(extra=extra))
    line = line_of(whole(opened, closed))
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line_of(row_in(line)) == line
    found = row_in(line)
    assert found.opened.prompt == opened.prompt
    assert found.closed is not None
    assert found.closed.rows == closed.rows


@given(st.sampled_from(["opened", "closed", "answer", "prompt", "v"]), JSON)
def test_whatever_stands_in_a_line_is_a_record_or_refused(member: str, value: Any) -> None:  # noqa: ANN401 - JSON of any shape
    document = json.loads(line_of(whole(OPENED, a_closed(OPENED, *ANSWERED))))
    line = json.dumps(document | {member: value}).encode()
    try:
        found = row_in(line)
    except LineInvalid:
        return
    assert row_in(line_of(found)) == found


def test_what_an_older_release_did_not_know_gets_its_default() -> None:
    line = line_of(whole(OPENED, a_closed(OPENED, a_tool())))
    older = line.replace(b'"executed_by":"client",', b"").replace(b'"undelivered_bytes":0,', b"")
    assert older != line
    assert row_in(line_of(row_in(line))) == row_in(line)


def test_a_text_that_could_not_be_read_becomes_a_note() -> None:
    lost = replace(whole(OPENED, a_closed(OPENED)), payload_error="answer_missing")
    found = row_in(line_of(lost))
    assert found.closed is not None
    assert found.closed.notes == {"payload_error": "answer_missing"}
    assert row_in(line_of(found)) == found
