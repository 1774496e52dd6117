import pytest

from aigateway.transcript.tokens import COUNT_LIMIT, numbers_within


def test_every_positive_number_inside_an_object_has_the_path_to_it_as_its_name() -> None:
    usage = {"a": {"b": 1, "c": 2.0}, "d": 0, "e": -1, "f": "3", "g": True, "h": None}
    assert dict(numbers_within(usage, "x")) == {"x_a_b": 1, "x_a_c": 2}


def test_a_number_is_taken_up_to_the_limit_of_all_counts() -> None:
    usage = {"most": COUNT_LIMIT, "more": COUNT_LIMIT + 1}
    assert dict(numbers_within(usage, "x")) == {"x_most": COUNT_LIMIT}


@pytest.mark.parametrize("depth", [1, 2])
def test_of_an_object_with_very_many_numbers_48_are_taken(depth: int) -> None:
    usage: object = {str(position): 1 for position in range(40)}
    for _ in range(depth):
        usage = {"a": usage, "b": usage}
    assert len(list(numbers_within(usage, "x"))) == 48
