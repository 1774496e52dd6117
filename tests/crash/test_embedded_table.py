"""Records in a table, written by gateway processes that die one after the other."""

import pytest

from tests.crash.conftest import Theatre
from tests.crash.runs import Run, runs_at

pytestmark = pytest.mark.ministack
PLACE = ("embedded", "table")


@pytest.mark.parametrize("run", runs_at("embedded", "table"), ids=str)
def test_nothing_is_lost_or_doubled_where_a_gateway_dies(theatre: Theatre, run: Run) -> None:
    assert theatre.play(run).problems == ()
