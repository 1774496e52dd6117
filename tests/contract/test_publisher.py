"""What a store promises to the one publisher of metrics."""

import os

import pytest

from aigateway.errors import Conflict
from aigateway.ledger.store import Store
from aigateway.steps import Step, steps_of_closing
from tests.builders import a_closed, a_tool, a_usage, an_opened, at

LABELS = ("anthropic", "invented", "/v1/messages", "POST", "Claude Code", "u-alice")
OTHER = ("anthropic", "other", "/v1/messages", "POST", "Claude Code", "u-alice")


def steps(model: str, **amounts: int) -> tuple[Step, ...]:
    key = (LABELS[0], model, *LABELS[2:])
    return tuple(Step("R", key, name, amount) for name, amount in amounts.items())


async def test_one_publisher_holds_the_lease_until_its_time_is_over(store: Store) -> None:
    assert await store.take_lease("a", at(0), at(60)) == b""
    assert await store.take_lease("b", at(30), at(90)) is None
    assert await store.take_lease("a", at(30), at(90)) == b""
    assert await store.take_lease("b", at(89), at(150)) is None
    assert await store.take_lease("b", at(90), at(150)) == b""
    assert await store.take_lease("a", at(91), at(151)) is None


async def test_a_lease_of_a_clock_that_was_set_back_since_is_free(store: Store) -> None:
    """A lease of a clock that is a little ahead is not: two publishers would be at work."""
    assert await store.take_lease("a", at(3_600), at(3_660)) == b""
    assert await store.take_lease("b", at(3_300), at(3_360)) is None
    assert await store.take_lease("b", at(3_299), at(3_359)) == b""
    assert await store.take_lease("a", at(3_300), at(3_360)) is None


async def test_a_lease_that_was_let_go_is_free_and_anothers_stays(store: Store) -> None:
    await store.end_lease("a")
    assert await store.take_lease("a", at(0), at(60)) == b""
    await store.end_lease("b")
    assert await store.take_lease("b", at(1), at(61)) is None
    await store.end_lease("a")
    assert await store.take_lease("b", at(1), at(61)) == b""


async def test_the_state_is_what_the_holder_noted_last(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.note_state("a", b"early")
    assert await store.take_lease("a", at(0), at(60)) == b""
    await store.note_state("a", b"first")
    await store.note_state("a", b"second")
    assert await store.take_lease("b", at(60), at(120)) == b"second"
    with pytest.raises(Conflict):
        await store.note_state("a", b"late")
    assert await store.take_lease("b", at(61), at(121)) == b"second"


async def test_a_text_is_the_one_that_was_put_last_and_whole(store: Store) -> None:
    assert await store.publisher_text("KNOWN") is None
    texts = [b"", b"one", os.urandom(700_000), b"two", b"two", os.urandom(400_000)]
    for text in texts:
        await store.put_publisher_text("KNOWN", text)
        assert await store.publisher_text("KNOWN") == text
    assert await store.publisher_text("TEXT") is None
    await store.put_publisher_text("TEXT", b"three")
    assert await store.publisher_text("KNOWN") == texts[-1]


async def test_a_moved_counter_is_added_and_gone(store: Store) -> None:
    await store.count((*steps("invented", f=2, ds=70, d0=2), *steps("other", f=1, d1=1)))
    moved = await store.move_counter(("R", LABELS), ("R", OTHER))
    assert moved == {"f": 2, "ds": 70, "d0": 2}
    assert await store.counters() == {("R", OTHER): {"f": 3, "ds": 70, "d0": 2, "d1": 1}}


async def test_a_counter_moves_to_where_none_was_and_may_come_back(store: Store) -> None:
    await store.count(steps("invented", c=1))
    assert await store.move_counter(("R", LABELS), ("R", OTHER)) == {"c": 1}
    await store.count(steps("invented", f=1))
    assert await store.counters() == {("R", OTHER): {"c": 1}, ("R", LABELS): {"f": 1}}


async def test_what_is_not_there_is_not_moved(store: Store) -> None:
    assert await store.move_counter(("R", LABELS), ("R", OTHER)) is None
    assert await store.counters() == {}


async def test_what_closings_counted_is_moved_as_a_whole(store: Store) -> None:
    opened = an_opened(model="invented")
    closed = a_closed(opened, a_usage(), a_tool())
    await store.open(opened)
    await store.close(opened, closed, steps_of_closing(opened, closed))
    ((key, amounts),) = (await store.counters()).items()
    assert await store.move_counter(key, ("R", OTHER)) == amounts
    assert await store.counters() == {("R", OTHER): amounts}


async def test_open_records_are_counted_by_provider_model_and_route(store: Store) -> None:
    for number in range(3):
        await store.open(an_opened(number))
    await store.open(an_opened(4, model="gpt-5", provider_name="openai", route="/v1/responses"))
    ended = an_opened(5)
    await store.open(ended)
    await store.close(ended, a_closed(ended), ())
    assert await store.in_flight(100) == {
        ("anthropic", "claude-sonnet-4-5", "/v1/messages"): 3,
        ("openai", "gpt-5", "/v1/responses"): 1,
    }


async def test_the_count_of_open_records_is_bounded(store: Store) -> None:
    for number in range(12):
        await store.open(an_opened(number))
    counted = sum((await store.in_flight(1)).values())
    assert 1 <= counted < 12
