from typing import Any

from aigateway.interception import Parents
from aigateway.ledger.rows import Interception, whole
from aigateway.sessions.threads import conversation_of
from aigateway.transcript.facts import AnsweredCall
from tests.builders import a_closed, a_tool, an_opened


def row(
    second: float,
    *calls: str,
    answers: tuple[str, ...] = (),
    failed: bool | None = None,
    **more: Any,  # noqa: ANN401 - any field of Opened
) -> Interception:
    answered = tuple(AnsweredCall(call, failed, 9) for call in answers)
    response_id = more.pop("response_id", None)
    opened = an_opened(second, answered_calls=answered, **more)
    closed = a_closed(opened, *(a_tool(call) for call in calls), provider_response_id=response_id)
    return whole(opened, closed)


def shape(*rows: Interception) -> list[list[int]]:
    """Return the threads as places in ``rows``, the rows handed over in the wrong order."""
    ids = [one.id for one in rows]
    threads = conversation_of(tuple(reversed(rows))).threads
    assert [thread.id for thread in threads] == [thread.root.id for thread in threads]
    return [[ids.index(one.id) for one in thread.rows] for thread in threads]


def test_a_result_belongs_to_the_thread_that_asked_for_it() -> None:
    rows = (row(0, "a", "b"), row(1), row(2, "c", answers=("b", "a")), row(3, answers=("c",)))
    assert shape(*rows) == [[0, 2, 3], [1]]


def test_the_newest_earlier_interception_with_a_call_id_is_the_parent() -> None:
    rows = (row(0, "call_0"), row(1, "call_0"), row(2, answers=("call_0",)))
    assert shape(*rows) == [[0], [1, 2]]


def test_a_later_interception_is_never_the_parent() -> None:
    assert shape(row(0, answers=("x",)), row(1, "x")) == [[0], [1]]
    assert shape(row(0, "x", answers=("x",))) == [[0]]


def test_the_same_agent_comes_first() -> None:
    rows = (
        row(0, "call_0", agent="explorer"),
        row(1, "call_0"),
        row(2, answers=("call_0",), agent="explorer"),
        row(3, answers=("call_0",), agent="other"),
    )
    assert shape(*rows) == [[0, 2], [1, 3]]


def test_a_recorded_parent_counts_more_than_what_can_be_found() -> None:
    first, second = row(0), row(1, "a")
    parents = Parents(first.id, first.id)
    assert shape(first, second, row(2, answers=("a",), parents=parents)) == [[0, 2], [1]]


def test_a_response_that_is_continued_is_the_last_resort() -> None:
    rows = (
        row(0, response_id="resp_1"),
        row(1, "a", response_id="resp_2"),
        row(2, previous_response_id="resp_1", response_id="resp_3"),
        row(3, answers=("a",), previous_response_id="resp_1"),
        row(4, previous_response_id="resp_3"),
        row(5, previous_response_id="resp_9"),
    )
    assert shape(*rows) == [[0, 2, 4], [1, 3], [5]]


def test_a_thread_keeps_the_id_of_a_root_that_expired() -> None:
    gone = "0193a5b2-7c00-7e00-8000-000000000001"
    rows = (row(0, "a", parents=Parents(gone, gone)), row(1, answers=("a",)))
    (thread,) = conversation_of(rows).threads
    assert (thread.id, len(thread.rows)) == (gone, 2)


def test_a_parent_in_flight_is_a_parent() -> None:
    first = an_opened(0)
    second = an_opened(1, parents=Parents(first.id, first.id))
    assert shape(whole(first, None), whole(second, None)) == [[0, 1]]


def test_results_are_joined_to_the_call_and_a_repeated_request_adds_what_is_unknown() -> None:
    first = row(0, "a", "b")
    unknown = row(1, answers=("a",))
    certain = row(2, answers=("a",), failed=True)
    later = row(3, answers=("a",), failed=False)
    results = conversation_of((first, unknown, certain, later)).results
    assert results == {(first.id, "a"): AnsweredCall("a", is_error=True, result_bytes=9)}
