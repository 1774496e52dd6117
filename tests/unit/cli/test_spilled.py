"""Records that only a log holds, on the command line."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from aigateway.interception import Closed, Opened
from aigateway.ledger import spilled_text
from aigateway.ledger.listing import Reach
from aigateway.ledger.rows import Interception, whole
from aigateway.ledger.transfer import line_of
from aigateway.settings import Settings
from aigateway.telemetry.assembly import journal_of
from tests.builders import a_closed, a_tool, a_usage, an_opened, at
from tests.logs import Caught
from tests.recount import disagreement
from tests.unit.cli.conftest import Aigw, Ledger

Record = tuple[Opened, Closed]
KEEP: dict[str, Any] = {"expires_at": None}


def a_record(seconds: float = 0) -> Record:
    opened = an_opened(seconds, **KEEP)
    return opened, a_closed(opened, a_usage(), a_tool())


def saved(path: Path, *records: Record) -> Path:
    """Write a log that says of these records that they are not stored."""
    caught = Caught()
    journal = journal_of(Settings(), caught, spilled_text)
    for opened, closed in records:
        journal.closed(opened, closed, stored=False)
    path.write_text("".join(f"{line}\n" for line in ["START", *caught.written]))
    return path


def stored(ledger: Ledger, record: Record) -> Interception | None:
    return ledger.do(lambda store: store.interception(record[0].id, Reach(None), at(9)))


def counts(**given: int) -> dict[str, int]:
    return {"imported": 0, "present": 0, "late": 0, "expired": 0, "erased": 0, "invalid": 0} | given


def test_what_a_log_says_is_not_stored_is_closed_once(
    ledger: Ledger, aigw: Aigw, tmp_path: Path
) -> None:
    record, unopened = a_record(), a_record(1)
    ledger.put((record[0], None))
    log = str(saved(tmp_path / "log", record, unopened))
    assert aigw("import-log", log, "--json").document == counts(imported=2)
    assert [stored(ledger, each) for each in (record, unopened)] == [
        whole(*record),
        whole(*unopened),
    ]
    said = aigw("import-log", log)
    assert said.out == "0 imported, 2 present, 0 late, 0 expired, 0 erased, 0 invalid\n"
    assert said.status == 0
    assert ledger.do(lambda store: disagreement(store, at(9))) == {}


def test_the_file_of_a_gateway_is_taken_from_standard_input(
    ledger: Ledger, aigw: Aigw, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = a_record()
    given = io.TextIOWrapper(io.BytesIO(line_of(whole(*record)) + b'{"v":1,"opened"'))
    monkeypatch.setattr("sys.stdin", given)
    said = aigw("import-log", "-", "--json")
    assert (said.status, said.document) == (1, counts(imported=1, invalid=1))
    assert "line 2: not a whole line of JSON" in said.err
    assert stored(ledger, record) == whole(*record)


def test_what_was_given_up_gets_a_detail(ledger: Ledger, aigw: Aigw, tmp_path: Path) -> None:
    opened, closed = a_record()
    ledger.put((opened, a_closed(opened, outcome="abandoned")))
    said = aigw("import-log", str(saved(tmp_path / "log", (opened, closed))), "--json")
    assert said.document == counts(late=1)


def test_what_is_wrong_is_named_and_stops_nothing(
    ledger: Ledger, aigw: Aigw, tmp_path: Path
) -> None:
    lines = saved(tmp_path / "log", a_record(), a_record(1)).read_text().splitlines()
    end = json.loads(lines[-1])
    wrong = [
        end | {"record": None},
        end | {"record": end["record"][:-9]},
        end | {"interception_id": "other", "part": 1, "parts": 2},
    ]
    log = tmp_path / "log"
    log.write_text("\n".join([*map(json.dumps, wrong), *lines]))
    said = aigw("import-log", str(log), "--json")
    assert said.document == counts(imported=2, invalid=3)
    assert said.status == 1
    assert "line 1: " in said.err
    assert "line 2: " in said.err
    assert "of 1 record some lines are missing" in said.err


def test_a_file_that_is_not_there_is_named(aigw: Aigw) -> None:
    said = aigw("import-log", "/nowhere/log")
    assert (said.status, said.out) == (1, "")
    assert "/nowhere/log cannot be read" in said.err
