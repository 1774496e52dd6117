"""What a log says is not stored, read back however the log was saved."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from aigateway.interception import Closed, Opened
from aigateway.ledger import spilled_text
from aigateway.ledger.log_lines import RecordTexts, objects_in
from aigateway.ledger.rows import Interception, whole
from aigateway.ledger.transfer import LineInvalid, line_of, row_in
from aigateway.settings import Settings
from aigateway.telemetry.assembly import journal_of
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, charged
from tests.logs import Caught


def logged(
    *records: tuple[Opened, Closed], content: bool = True, stored: bool = False
) -> list[str]:
    """Return the lines of records as a function writes them."""
    caught = Caught()
    journal = journal_of(Settings(log_content=content), caught, spilled_text)
    for opened, closed in records:
        journal.closed(opened, closed, stored=stored)
    return caught.written


def a_record(**changed: Any) -> tuple[Opened, Closed]:  # noqa: ANN401 - any field of Opened
    opened = an_opened(**changed)
    closed = a_closed(opened, a_usage(), a_thought("Hm."), a_tool(text="typed"), error_message="x")
    return opened, charged(closed, 5)


def read(lines: list[str], texts: RecordTexts | None = None) -> list[Interception]:
    """Return what is found in a saved log."""
    texts = texts or RecordTexts()
    found = [texts.take(fields) for line in lines for fields in objects_in(f"{line}\n".encode())]
    return [row_in(text) for text in found if text is not None]


def printed(lines: list[str]) -> list[str]:
    """Return them as the command line of AWS prints a search by default."""
    events = [{"logStreamName": "s", "timestamp": 1, "message": f"{line}\n"} for line in lines]
    return json.dumps({"events": events, "searchedLogStreams": []}, indent=4).splitlines()


SAVED: Mapping[str, Callable[[list[str]], list[str]]] = {
    "as they are": lambda lines: lines,
    "aws logs tail": lambda lines: [
        f"2026-11-24T12:00:00.123000+00:00 2026/11/24/[$LATEST]0a1b {line}" for line in lines
    ],
    "aws logs filter-log-events": printed,
    "aws logs filter-log-events, in one line": lambda lines: [
        json.dumps({"events": [{"message": line} for line in lines]})
    ],
    "aws logs filter-log-events --output text": lambda lines: [
        f"EVENTS\t381\t1795490752140\t{line}\tstream\t1795490752140" for line in lines
    ],
    "events, one a line": lambda lines: [json.dumps({"message": line}) for line in lines],
}


@pytest.mark.parametrize("form", SAVED)
def test_a_record_comes_back_equal_however_its_lines_were_saved(form: str) -> None:
    record = a_record()
    noise = ["START RequestId: 0a1b", "", '{"level":"INFO","message":"{"}', "{", "[1]", "7"]
    lines = [*noise, *logged(a_record(seconds=1), stored=True), *logged(record), *noise]
    assert read(SAVED[form](lines)) == [whole(*record)]


def test_the_file_of_one_machine_is_read_too() -> None:
    record = whole(*a_record())
    assert read([line_of(record).decode().rstrip("\n")] * 2) == [record] * 2


def test_a_long_record_comes_in_parts_that_may_be_mixed_up() -> None:
    long = a_record(prompt='long \\ "text" \n' * 60_000)
    other = a_record(seconds=1)
    lines = logged(long, other)
    assert max(map(len, lines)) < 256 * 1024
    parts = [line for line in lines if '"record"' in line]
    assert len(parts) > 4
    assert {row.id for row in read(lines[::-1])} == {long[0].id, other[0].id}
    assert whole(*long) in read(lines)


def test_a_part_that_is_missing_is_known_and_one_that_came_twice_is_not_missed() -> None:
    lines = logged(a_record(prompt="long " * 60_000))
    parts = [line for line in lines if '"record"' in line]
    texts = RecordTexts()
    assert read(parts[:-1], texts) == []
    assert texts.unfinished == 1
    assert len(read(parts[-1:], texts)) == 1
    assert read(parts[:1], texts) == []
    assert texts.unfinished == 0


@pytest.mark.parametrize(
    "changed",
    [{"record": None}, {"record": 7}, {"part": 0, "parts": 2}, {"part": "1"}, {"parts": 0}],
)
def test_a_line_that_should_hold_a_record_and_does_not_is_wrong(changed: dict[str, Any]) -> None:
    end = json.loads(logged(a_record())[-1]) | changed
    with pytest.raises(LineInvalid):
        RecordTexts().take(end)


def test_without_content_nothing_that_was_said_is_in_any_line_and_the_record_says_so() -> None:
    opened, closed = a_record(prompt="what was asked")
    lines = logged((opened, closed), content=False)
    for said in ("what was asked", "Hm.", "typed"):
        assert said not in "\n".join(lines)
    (found,) = read(lines)
    assert found.closed is not None
    assert found.opened.prompt is not None
    assert opened.prompt is not None
    assert (found.opened.prompt.text, found.opened.prompt.truncated) == ("", True)
    assert found.opened.prompt.sha256 == opened.prompt.sha256
    assert found.closed.notes == {**closed.notes, "content": "not_logged"}
    assert (found.tokens, found.calls, found.cost_micros) == (closed.tokens, closed.calls, 5)
    assert found.closed.error_message is None


def test_what_is_stored_holds_no_record() -> None:
    assert "record" not in json.loads(logged(a_record(), stored=True)[-1])


SECRET = "planted0a1b2c3d4e5f6a7b"
SAID = (
    f"sk-{SECRET}",
    f"my key is sk-ant-{SECRET}\nAuthorization: Basic {SECRET}\r\nCookie: a={SECRET}; b",
    json.dumps({"headers": {"Authorization": f"Basic {SECRET}", "x-api-key": [SECRET, SECRET]}}),
    json.dumps({"text": json.dumps({"cookie": SECRET})}),
    f'{{"authorization": "Basic {SECRET}',
    f"Bearer {SECRET} \\ \\\" \\\\\" 'cookie': '{SECRET}' \ud83d",
)


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("times", [1, 9_000])
def test_i10_what_is_masked_stays_so_and_the_record_is_read_all_the_same(
    said: str, times: int
) -> None:
    opened = an_opened(prompt=f"{said} " * times)
    facts = a_usage(), a_thought(said), a_tool("toolu_1", text=said)
    closed = a_closed(opened, *facts, error_message=said, provider_request_id="req")
    lines = logged((opened, closed))
    assert SECRET not in "\n".join(lines)
    (found,) = read(lines)
    assert found.closed is not None
    assert found.id == opened.id
    assert replace(found.opened, prompt=None) == replace(opened, prompt=None)
    assert (found.tokens, found.closed.provider_request_id) == (closed.tokens, "req")
