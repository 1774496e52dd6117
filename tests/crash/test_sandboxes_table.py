"""Records in a table, written by sandboxes behind a Function URL that die."""

import pytest

from tests.crash.conftest import Theatre
from tests.crash.runs import Run, runs_at

pytestmark = pytest.mark.ministack
PLACE = ("sandboxes", "table")


@pytest.mark.parametrize("run", runs_at("sandboxes", "table"), ids=str)
def test_nothing_is_lost_or_doubled_where_a_gateway_dies(theatre: Theatre, run: Run) -> None:
    assert theatre.play(run).problems == ()
