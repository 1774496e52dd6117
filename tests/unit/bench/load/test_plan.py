from itertools import islice

import pytest

from bench.client import Broken
from bench.load.plan import LASTING_SECONDS, SECONDS, STREAMS, plan_of
from bench.load.streams import is_left, requests


def test_the_long_form_is_what_nobody_shortened() -> None:
    plan = plan_of({})
    assert (plan.seconds, plan.streams) == (SECONDS, STREAMS)
    assert plan.lasting == LASTING_SECONDS


def test_a_short_run_has_streams_that_end_in_it() -> None:
    plan = plan_of({"LOAD_SECONDS": "10", "LOAD_STREAMS": "3"})
    assert plan.streams == 3
    assert 1 <= max(plan.lasting) <= 5
    assert plan_of({"LOAD_SECONDS": "1"}).lasting


@pytest.mark.parametrize("text", ["0", "-1", "ten", ""])
def test_a_length_that_is_none_is_named(text: str) -> None:
    with pytest.raises(Broken, match="LOAD_SECONDS"):
        plan_of({"LOAD_SECONDS": text})


def test_no_two_requests_have_the_same_number_and_some_are_left_from_every_place() -> None:
    plan = plan_of({})
    asked = [list(islice(requests(place, plan), 64)) for place in range(plan.streams)]
    numbers = [each.number for of_place in asked for each in of_place]
    assert len(set(numbers)) == len(numbers)
    assert all(1 < sum(is_left(each.number) for each in of_place) < 8 for of_place in asked)


def test_every_second_request_answers_the_one_before_it_in_its_session() -> None:
    of_place = list(islice(requests(1, plan_of({})), 48))
    for before, after in zip(of_place[::2], of_place[1::2], strict=True):
        assert before.answers is None
        assert after.answers == before.number
        assert after.session == before.session
