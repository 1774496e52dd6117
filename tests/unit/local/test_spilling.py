"""What this machine keeps of a record that the store did not take."""

from pathlib import Path

import pytest

from aigateway.ledger.rows import whole
from aigateway.ledger.spill_file import NAME, SpillFile
from aigateway.ledger.transfer import row_in
from aigateway.telemetry.journal import Journals
from local.spilling import Spilling
from tests.builders import a_closed, a_thought, an_opened


def test_all_of_a_record_is_kept_if_it_is_not_stored(tmp_path: Path) -> None:
    file = SpillFile(tmp_path / NAME)
    spilling = Spilling(file)
    opened = an_opened(prompt="half \ud83d")
    closed = a_closed(opened, a_thought("Hm."))
    spilling.closed(opened, closed, stored=True)
    assert file.first(9).lines == ()
    spilling.closed(opened, closed, stored=False)
    (line,) = file.first(9).lines
    assert row_in(line) == whole(opened, closed)


def test_a_disk_that_takes_nothing_is_told_of_and_fails_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).mkdir()
    opened = an_opened()
    Journals(Spilling(SpillFile(tmp_path / NAME))).closed(opened, a_closed(opened), stored=False)
    (line,) = caplog.records
    assert (line.levelname, line.__dict__["journal"]) == ("ERROR", "Spilling")
