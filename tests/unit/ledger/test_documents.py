"""Records as plain documents."""

import json
import zlib
from dataclasses import fields, replace

import pytest

from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.documents import (
    closed_from,
    closed_row,
    closed_text,
    opened_from,
    opened_row,
    opened_text,
    packed,
    unpacked,
)
from aigateway.ledger.sqlite.columns import CLOSED_COLUMNS, OPENED_COLUMNS
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened


def filled_opened() -> Opened:
    return replace(
        an_opened(agent="agent-1"),
        parents=Parents("p", "r"),
        previous_response_id="resp_1",
        retry_count=0,
        agent_firewall_session_id="f",
        agent_firewall_sequence_number=0,
    )


def filled_closed(opened: Opened) -> Closed:
    return a_closed(
        opened,
        a_thought(),
        a_tool(),
        a_usage(extra={"tier": "x", "n": 1}),
        error_message="m",
        parents=Parents("p", "r"),
        credential_hint="sk-a...wxyz",
        notes={"n": 1},
    )


def test_rows_survive_json() -> None:
    opened = filled_opened()
    closed = filled_closed(opened)
    row = json.loads(json.dumps(opened_row(opened) | closed_row(closed)))
    assert opened_from(row, opened_text(opened)) == opened
    assert closed_from(opened.id, row, closed_text(closed)) == closed


def test_without_texts_everything_else_is_there() -> None:
    opened = filled_opened()
    closed = filled_closed(opened)
    assert opened_from(opened_row(opened)) == replace(opened, prompt=None)
    bare = replace(closed, rows=(), notes={}, error_message=None)
    assert closed_from(opened.id, closed_row(closed)) == bare


def test_a_request_without_a_prompt_has_no_first_part() -> None:
    assert opened_text(an_opened(prompt=None)) is None


def test_equal_documents_give_equal_bytes() -> None:
    assert packed({"a": "é"}) == packed({"a": "é"})
    assert unpacked(packed({"a": "\ud83d"})) == {"a": "\ud83d"}


BROKEN = (b"", b"\x02x", b"\x01", b"\x01x", packed({"a": 1})[:-2], b"\x01" + zlib.compress(b"{"))


@pytest.mark.parametrize("piece", BROKEN)
def test_broken_texts_are_a_value_error(piece: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpacked(piece)


def test_a_text_that_is_no_document_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no document"):
        unpacked(packed(["a"]))


def test_every_field_has_a_column() -> None:
    opened = filled_opened()
    closed = filled_closed(opened)
    assert set(opened_row(opened)) <= set(OPENED_COLUMNS)
    assert set(closed_row(closed)) <= set(CLOSED_COLUMNS)
    plain = {field.name for field in fields(Closed)} - {"id", "rows", "notes", "parents"}
    assert plain - {"credential_hint"} <= set(CLOSED_COLUMNS)
