"""What a record says of itself."""

import re
from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest

from aigateway.interception import TOKEN_NAMES, Parents, expiry
from tests.builders import T0, a_closed, a_thought, a_tool, a_usage, an_opened


def test_a_session_is_named_by_the_client_else_by_its_thread_else_by_itself() -> None:
    parents = Parents("parent", "root")
    assert an_opened(session="s", parents=parents).session_id == "s"
    assert an_opened(session=None, parents=parents).session_id == "root"
    alone = an_opened(session=None)
    assert alone.session_id == alone.id


def test_the_stored_session_key_is_short_and_its_own_for_every_initiator() -> None:
    keys = {
        an_opened(session="s").session_key,
        an_opened(session="t").session_key,
        an_opened(session="s", initiator_id="u-bob").session_key,
        an_opened(session=None, id="s").session_key,
        an_opened(session=None, id="a", parents=Parents("b", "t")).session_key,
    }
    assert len(keys) == 5
    assert all(re.fullmatch(r"[a-z2-7]{26}", key) for key in keys)


def test_a_threads_requests_share_one_session_key() -> None:
    root = an_opened(session=None)
    child = an_opened(1, session=None, parents=Parents("between", root.id))
    assert child.session_key == root.session_key


@pytest.mark.parametrize(
    ("changes", "is_human", "counts"),
    [
        ({}, True, True),
        ({"prompt": None}, True, False),
        ({"auxiliary": True}, False, False),
        ({"agent": "a1"}, False, False),
    ],
)
def test_only_a_persons_prompt_counts_as_activity(
    changes: dict[str, object], *, is_human: bool, counts: bool
) -> None:
    opened = an_opened(**changes)  # type: ignore[arg-type]  # one row of a table
    assert (opened.is_human, opened.counts_as_activity) == (is_human, counts)


def test_tokens_are_summed_over_the_answers_and_words_are_left_out() -> None:
    extra: dict[str, int | str] = {"output_reasoning": 5, "service_tier": "default"}
    facts = (a_usage((1, 2, 3, 4), extra), a_tool(), a_usage((10, 20, 30, 40), extra))
    closed = a_closed(an_opened(), *facts)
    assert closed.tokens == dict(zip(TOKEN_NAMES, (11, 22, 33, 44), strict=True)) | {
        "output_reasoning": 10
    }


def test_calls_are_those_that_can_be_answered() -> None:
    closed = a_closed(an_opened(), a_tool("t1", "Bash"), a_thought(), a_tool(None, "web_search"))
    assert closed.calls == (("t1", "Bash"),)


def test_i21_records_are_immutable_and_equal_by_value() -> None:
    opened = an_opened(id="019ab000-0000-7000-8000-000000000000")
    assert opened == an_opened(id="019ab000-0000-7000-8000-000000000000")
    with pytest.raises(FrozenInstanceError):
        opened.model = "another"  # type: ignore[misc]  # what the test is about
    with pytest.raises(FrozenInstanceError):
        a_closed(opened).outcome = "failed"  # type: ignore[misc]  # what the test is about


def test_i15_an_end_is_in_whole_seconds() -> None:
    started_at = T0 + timedelta(microseconds=999_999)
    assert expiry(started_at, timedelta(hours=1)) == T0 + timedelta(hours=1)
