"""The page on reliability has the points and the faults that there are, and runs of each point."""

from tests.crash.page import PAGE, page_of, runs_in
from tests.crash.points import POINTS

AT_LEAST = 40


def test_points_have_names_of_their_own_and_a_promise() -> None:
    assert len(POINTS) >= AT_LEAST
    assert len({point.name for point in POINTS}) == len(POINTS)
    assert all(point.promised for point in POINTS)


def test_the_page_says_what_points_and_faults_say() -> None:
    """If not: ``python -m tests.crash.page``, and ``make crash`` where there are new points."""
    page = PAGE.read_text()
    assert page == page_of(runs_in(page))


def test_the_page_tells_of_runs_of_every_point_wherever_it_can_be_reached() -> None:
    runs = runs_in(PAGE.read_text())
    places = {(p.name, host, store) for p in POINTS for host in p.hosts for store in p.stores}
    assert {place for place in places if not runs.get(place)} == set()
