"""The lines of records and their documentation say the same."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from aigateway.telemetry.events import CONTENT, Fields, lines_of
from aigateway.telemetry.parts import in_parts
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened
from tests.record_lines import EVERY_LINE, FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "operations" / "logs.md").read_text()
SECTION = PAGE.split("\n## Lines of records\n")[1].split("\n## ")[0]
ROWS = [
    [re.findall(r"`([a-z_]+)`", cell) for cell in line.split("|")[1:3]]
    for line in SECTION.splitlines()
    if line.startswith("| `") and not line.startswith("| `record_type`")
]


def lines(*, stored: bool = False, content: bool = True) -> list[Fields]:
    """Return the lines of a record that has a row of every kind."""
    opened = an_opened()
    closed = a_closed(opened, a_usage(), a_tool(), a_thought())
    return [*lines_of(opened, closed, stored=stored, content=content)]


KINDS = {str(line["record_type"]): line for line in lines()}
DOCUMENTED = {names[0]: members for names, members in ROWS if names[0] in KINDS}
SHARED = [name for names, _ in ROWS if names[0] not in KINDS for name in names]


def test_every_kind_of_line_is_documented_and_nothing_else() -> None:
    assert [*DOCUMENTED] == [
        "interception_start",
        "prompt_usage",
        "token_usage",
        "tool_usage",
        "model_thought",
        "interception_end",
    ]
    assert DOCUMENTED.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_of_a_line_is_documented_and_nothing_else(kind: str) -> None:
    parts = {"part", "parts"}
    assert {*KINDS[kind]} == {*DOCUMENTED[kind], *SHARED, "record_type"} - parts


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_may_ask_for_every_member(kind: str) -> None:
    assert {*DOCUMENTED[kind]} == FIELDS[kind]
    assert {*SHARED} >= EVERY_LINE - {"@timestamp", "message", "record_type"}


def test_the_members_of_all_lines_are_those_of_all_lines() -> None:
    long = replace(an_opened(), prompt=None)
    (line, *_) = lines_of(long, a_closed(long), stored=False, content=True)
    cut = {**line, "content": "x" * 300_000}
    shared = set.intersection(*(set(line) for line in KINDS.values())) - {"record_type"}
    assert {*next(in_parts(cut))} - {*cut} == {"part", "parts"}
    assert {*SHARED} == shared | {"part", "parts"}


def test_what_stands_for_a_text_is_documented() -> None:
    for line in lines(content=False):
        name = CONTENT.get(str(line["record_type"]))
        if name is not None:
            assert name not in line
            assert {f"{name}_bytes", f"{name}_sha256"} <= {*line}
    assert "`prompt_bytes` and `prompt_sha256`" in " ".join(SECTION.split())
