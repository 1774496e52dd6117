"""Which names have series: the first that come, as long as there are places."""

from aigateway.reload.publishing.names import PLACES, Names, in_other

Counters = dict[tuple[str, tuple[str, ...]], dict[str, int]]


def counter(model: str, provider: str = "p", who: str = "u") -> tuple[str, tuple[str, ...]]:
    return "R", (provider, model, "/r", "POST", "Zed", who)


def names_of(counters: Counters) -> Names:
    return Names.read(None).with_those_of(counters)


def test_a_model_takes_a_place_once_a_request_for_it_completed() -> None:
    counters: Counters = {counter("real"): {"c": 1}, counter("invented"): {"f": 9}}
    names = names_of(counters)
    assert names.model("p", "real") == "real"
    assert names.model("p", "invented") == "other"
    assert names.model("q", "real") == "other", "places are a provider's own"
    later = names.with_those_of({counter("invented"): {"f": 9, "c": 1}})
    assert later.model("p", "invented") == "invented"


def test_a_place_is_never_given_up_and_the_table_ends() -> None:
    first = names_of({counter(f"m{number:03}"): {"c": 1} for number in range(PLACES)})
    assert first.is_full("p")
    later = first.with_those_of({counter("a"): {"c": 5}})
    assert later.model("p", "a") == "other"
    assert later.model("p", "m199") == "m199"


def test_tools_take_places_as_they_come_and_the_rest_is_other() -> None:
    used = {f"n:t{number:03}": 1 for number in range(PLACES + 5)}
    names = names_of({counter("m"): {"c": 1, **used}})
    assert names.tool("p", "t199") == "t199"
    assert names.tool("p", "t204") == names.tool("q", "t000") == "other"
    assert names.with_those_of({counter("m"): {"n:a": 1}}).tool("p", "a") == "other"


def test_names_of_ours_take_no_place() -> None:
    names = names_of({counter("unknown"): {"c": 1, "n:other": 1}, counter("other"): {"c": 2}})
    assert names.models["p"] == names.tools["p"] == set()
    assert names.model("p", "unknown") == "unknown"


def test_a_circuit_breaker_gives_its_model_a_place() -> None:
    names = names_of({("B", ("p", "/r", "m")): {"tr": 1}})
    assert names.model("p", "m") == "m"


def test_names_are_read_back_as_they_were_written() -> None:
    names = names_of({counter("m"): {"c": 1, "n:Bash": 2}, counter("x", "q"): {"c": 1}})
    assert Names.read(names.written()) == names
    assert Names.read(names.written()).written() == names.written()


def test_what_may_still_get_a_place_waits_and_is_moved_first() -> None:
    counters: Counters = {counter("invented"): {"f": 1}, counter("real"): {"c": 1}}
    names = names_of(counters)
    assert names.outside(counters) == [counter("invented")]
    assert names.shown(counters) == {counter("real"): {"c": 1}}


def test_what_will_never_have_a_place_is_shown_as_other_at_once() -> None:
    names = names_of({counter(f"m{number:03}"): {"c": 1} for number in range(PLACES)})
    counters: Counters = {counter("late"): {"c": 1}, counter("invented"): {"f": 1}}
    assert names.shown(counters) == counters
    assert names.outside(counters) == [counter("invented"), counter("late")]


def test_the_counter_that_takes_over_differs_in_the_model_alone() -> None:
    assert in_other(counter("m")) == counter("other")
