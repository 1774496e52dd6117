"""Jobs over a file that die, and others that go on with them."""

import pytest

from tests.crash.conftest import Theatre
from tests.crash.runs import Run, runs_at

PLACE = ("embedded", "file")


@pytest.mark.parametrize("run", runs_at("embedded", "file", jobs=True), ids=str)
def test_nothing_is_lost_or_doubled_where_a_job_dies(theatre: Theatre, run: Run) -> None:
    assert theatre.play(run).problems == ()
