"""Who hears of what happened to records."""

import sys
from collections.abc import Mapping
from typing import final

import pytest

from aigateway.interception import Closed, Opened
from aigateway.settings import Settings
from aigateway.telemetry.assembly import journal_of
from aigateway.telemetry.journal import EmfName, Event, Journals
from aigateway.telemetry.parts import LINE_BYTES
from tests.builders import a_closed, a_tool, an_opened
from tests.figures import points
from tests.logs import Caught


@final
class Broken:
    """Fails at everything."""

    def loading(self) -> None:
        raise ZeroDivisionError("sk-planted-0a1b2c3d4e5f")

    def closed(self, opened: Opened, closed: Closed, *, stored: bool) -> None:
        raise ZeroDivisionError("sk-planted-0a1b2c3d4e5f")

    def counted(self, event: Event, number: int) -> None:
        raise ZeroDivisionError("sk-planted-0a1b2c3d4e5f")

    def ticked(self, figures: Mapping[EmfName, float], provider_name: str | None = None) -> None:
        raise ZeroDivisionError("sk-planted-0a1b2c3d4e5f")


def told(settings: Settings) -> Caught:
    """Return what a journal of these settings writes of one record and one event."""
    caught = Caught()
    journal = journal_of(settings, caught)
    opened = an_opened()
    journal.closed(opened, a_closed(opened, a_tool()), stored=True)
    journal.counted("Rejected", 1)
    return caught


def test_one_journal_that_fails_costs_its_lines_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caught = Caught()
    heard = journal_of(Settings(on_lambda=True), caught)
    journal = Journals(Broken(), heard)
    opened = an_opened()
    journal.closed(opened, a_closed(opened), stored=True)
    journal.counted("Rejected", 1)
    journal.ticked({"Inflight": 1})
    assert len(caught.of_records) == 3
    assert len(caught.lines) == 6
    assert [record.message for record in caplog.records] == ["a journal failed"] * 3
    assert "planted" not in caplog.text
    assert caplog.records[0].__dict__["error"] == "ZeroDivisionError"


def test_on_one_machine_records_are_logged_and_no_figures() -> None:
    caught = told(Settings())
    assert len(caught.of_records) == len(caught.lines) == 4


def test_a_function_writes_figures_too() -> None:
    caught = told(Settings(on_lambda=True, metrics_per_model=True))
    assert len(caught.of_records) == 4
    closed, rejected = (line for line in caught.written if "_aws" in line)
    assert len({dimensions for _, dimensions in points(closed)}) == 2
    assert {name for name, _ in points(rejected)} == {"Rejected"}


def test_records_are_not_logged_where_that_is_switched_off() -> None:
    assert told(Settings(structured_logging=False)).lines == []
    caught = told(Settings(structured_logging=False, on_lambda=True))
    assert caught.of_records == []
    assert len(caught.lines) == 2


def test_no_text_is_logged_where_that_is_switched_off() -> None:
    caught = told(Settings(log_content=False))
    assert "Fix the build" not in "".join(caught.written)
    assert [line.get("prompt_bytes") for line in caught.of_records] == [None, 14, None, None]


def test_a_long_text_is_several_lines_none_of_which_is_too_long() -> None:
    caught = Caught()
    journal = journal_of(Settings(), caught)
    text = '{"é\N{GRINNING FACE}\ud800"}' * 60_000
    opened = an_opened(prompt=text)
    journal.closed(opened, a_closed(opened), stored=False)
    assert all(len(line.encode()) <= LINE_BYTES for line in caught.written)
    parts = [line for line in caught.of_records if line["record_type"] == "prompt_usage"]
    assert "".join(line["prompt"] for line in parts) == text
    assert [line["part"] for line in parts] == [*range(1, parts[0]["parts"] + 1)]
    shared = {"interception_id": opened.id, "initiator_id": "u-alice", "stored": False}
    assert all(line.items() >= shared.items() for line in parts)


def test_what_a_first_record_takes_is_loaded_once_and_where_there_is_a_listener() -> None:
    assert Journals().loading() is None
    settings = Settings(metrics=frozenset({"emf"}))
    journal = journal_of(settings, Caught())
    load = journal.loading()
    assert load is not None
    load()
    assert journal.loading() is None
    assert "aws_lambda_powertools.metrics" in sys.modules
