"""Whatever is lost, doubled, left open or told wrongly is told."""

import hashlib
from dataclasses import replace
from typing import Any

from aigateway.interception import Closed, Opened
from aigateway.ledger.rows import Interception, whole
from tests.builders import a_closed, a_usage, an_opened
from tests.crash.comparing import problems_of
from tests.crash.scenes import Sent
from tests.crash.traffic import Asked
from tests.e2e.front_client import Got

BODY = b'{"model":"m"}'
SHA = hashlib.sha256(BODY).hexdigest()
USAGE = {
    "input_tokens": 10,
    "output_tokens": 20,
    "cache_read_input_tokens": 30,
    "cache_write_input_tokens": 40,
}
SEEN: dict[str, Any] = {"body_sha256": SHA, "complete": True, "answered": {"usage": USAGE}}
ANSWERED = Sent("after", Asked("/", (), BODY), Got(200, [], 0.0, whole=True))
CUT = Sent("target", Asked("/", (), BODY), Got(200, [], 0.0, whole=False))


def opened() -> Opened:
    return an_opened(request_sha256=SHA)


def a_row(closed: Closed | None = None) -> Interception:
    begun = opened()
    return whole(begun, closed or a_closed(begun, a_usage()))


def test_a_whole_answer_with_its_record_is_fine() -> None:
    assert problems_of([ANSWERED], [a_row()], [SEEN]) == ()


def test_a_request_without_a_record_is_lost_if_the_provider_had_it() -> None:
    assert "target: lost" in problems_of([CUT], [], [SEEN])[0]
    assert problems_of([CUT], [], [SEEN | {"complete": False}]) == ()
    unrecorded = replace(CUT, asked=replace(CUT.asked, is_recorded=False))
    assert problems_of([unrecorded], [], [SEEN]) == ()


def test_two_records_of_one_request_are_one_too_many() -> None:
    assert problems_of([ANSWERED], [a_row(), a_row()], [SEEN]) == (
        "after: doubled: there are 2 records",
    )


def test_a_record_without_an_end_is_told() -> None:
    assert "never closed" in problems_of([CUT], [whole(opened(), None)], [SEEN])[0]


def test_a_whole_answer_is_not_abandoned_but_where_its_end_was_spilled() -> None:
    begun = opened()
    given_up = whole(begun, a_closed(begun, outcome="abandoned"))
    target = replace(ANSWERED, part="target")
    assert "the record says abandoned" in problems_of([target], [given_up], [SEEN])[0]
    assert problems_of([target], [given_up], [SEEN], is_spilled=True) == ()
    assert problems_of([CUT], [given_up], [SEEN]) == ()


def test_a_text_of_what_the_provider_had_may_not_be_missing() -> None:
    torn = replace(a_row(), payload_error="prompt_missing")
    assert problems_of([ANSWERED], [torn], [SEEN]) == ("after: a text is lost: prompt_missing",)


def test_tokens_are_those_of_the_provider_or_unknown_where_it_was_abandoned() -> None:
    begun = opened()
    other = a_usage((1, 2, 3, 4))
    for outcome in ("completed", "abandoned"):
        wrong = whole(begun, a_closed(begun, other, outcome=outcome))
        assert "the provider said" in problems_of([CUT], [wrong], [SEEN])[0]
    silent = whole(begun, a_closed(begun, outcome="completed"))
    assert "the provider said" in problems_of([CUT], [silent], [SEEN])[0]


def test_a_request_that_nobody_sent_is_told() -> None:
    other = whole(an_opened(request_sha256="ef" * 32), None)
    told = problems_of([ANSWERED], [a_row(), other], [SEEN, SEEN | {"body_sha256": "0" * 64}])
    assert len(told) == 2
    assert all("nobody sent" in each for each in told)


def test_a_process_that_does_not_serve_is_told() -> None:
    assert problems_of([replace(ANSWERED, got=None)], [], []) == ("after: nobody serves: None",)


def test_a_record_in_a_session_follows_the_one_that_made_its_call() -> None:
    follows = replace(ANSWERED, answers="0193-lead")
    assert problems_of([follows], [a_row()], [SEEN]) == ("after: its record belongs to no thread",)
    begun = an_opened(request_sha256=SHA, session=None)
    alone = whole(begun, a_closed(begun, a_usage()))
    assert problems_of([follows], [alone], [SEEN]) == ()
