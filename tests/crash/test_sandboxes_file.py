"""Records in a file, written by sandboxes behind a Function URL that die."""

import pytest

from tests.crash.conftest import Theatre
from tests.crash.runs import Run, runs_at

PLACE = ("sandboxes", "file")


@pytest.mark.parametrize("run", runs_at("sandboxes", "file"), ids=str)
def test_nothing_is_lost_or_doubled_where_a_gateway_dies(theatre: Theatre, run: Run) -> None:
    assert theatre.play(run).problems == ()
