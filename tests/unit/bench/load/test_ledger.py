from collections.abc import Callable
from dataclasses import replace

import pytest

from aigateway.ledger.rows import Interception, whole
from aigateway.transcript.facts import Dialect, TokenUsage
from bench.load.conversation import Asked, answer, call_id, response_id
from bench.load.ledger import Expected, Verdict, judged
from tests.builders import a_closed, a_tool, an_opened

Account = dict[int, tuple[int, bool]]
SENT = (100_000, 100_001, 200_000)


def asked(number: int) -> Asked:
    return Asked(number, "messages", 50, 40_000, 4_000, "session-1")


def recorded(number: int) -> Interception:
    """Return the record of a request whose answer was read to its end."""
    known = answer("messages", 50)
    usage = known.usage
    opened = an_opened(number, dialect=Dialect.MESSAGES)
    closed = a_closed(
        opened,
        TokenUsage(
            response_id("messages", number),
            usage.input,
            usage.output,
            usage.cache_read,
            usage.cache_write,
            {},
            "claude-sonnet-4-5",
            "{}",
            partial=False,
        ),
        a_tool(call_id=call_id("messages", number)),
        provider_response_id=response_id("messages", number),
        response_bytes=len(known.body(number)),
    )
    return whole(opened, closed)


def ended(row: Interception, **changed: object) -> Interception:
    assert row.closed is not None
    return whole(row.opened, replace(row.closed, **changed))  # type: ignore[arg-type] # any field


def seen(rows: list[Interception], *, left: int | None = None) -> list[Expected]:
    return [
        Expected(asked(number), row.id, left=number == left)
        for number, row in zip(SENT, rows, strict=True)
    ]


@pytest.fixture
def rows() -> list[Interception]:
    return [recorded(number) for number in SENT]


@pytest.fixture
def account() -> Account:
    return dict.fromkeys(SENT, (1, True))


def test_a_ledger_that_agrees_with_both_sides_holds(
    rows: list[Interception], account: Account
) -> None:
    verdict = judged(rows, seen(rows), account, 0)
    assert verdict == Verdict(3, 3, 0, 0, 0, (), 0)
    assert verdict.holds


def test_direct_requests_are_no_matter_of_the_ledger(
    rows: list[Interception], account: Account
) -> None:
    assert judged(rows, seen(rows), {**account, 0: (500, True)}, 0).holds


def test_a_record_that_is_not_there_is_missing(rows: list[Interception], account: Account) -> None:
    verdict = judged(rows[1:], seen(rows), account, 0)
    assert (verdict.missing, verdict.doubled) == (1, 0)
    assert not verdict.holds


def test_a_record_that_nobody_asked_for_is_doubled(
    rows: list[Interception], account: Account
) -> None:
    again = recorded(SENT[0])
    verdict = judged([*rows, again], seen(rows), account, 0)
    assert verdict.missing == 0
    assert verdict.doubled > 0


def test_a_request_that_came_twice_at_the_provider_is_doubled(
    rows: list[Interception], account: Account
) -> None:
    verdict = judged(rows, seen(rows), {**account, SENT[1]: (2, True)}, 0)
    assert verdict.doubled == 1


def test_counters_that_differ_do_not_hold(rows: list[Interception], account: Account) -> None:
    assert not judged(rows, seen(rows), account, 1).holds


Changed = Callable[[Interception], Interception]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: whole(row.opened, None), "is open"),
        (lambda row: ended(row, provider_response_id="msg_01other"), "another answer"),
        (lambda row: ended(row, outcome="upstream_cut"), "upstream_cut"),
        (lambda row: ended(row, response_bytes=1), "recorded"),
        (lambda row: ended(row, rows=()), "recorded"),
        (lambda row: ended(row, deaf="bug:KeyError"), "bug:KeyError"),
    ],
)
def test_a_record_that_says_something_else_is_wrong(
    rows: list[Interception], account: Account, change: Changed, said: str
) -> None:
    (fault,) = judged([change(rows[0]), *rows[1:]], seen(rows), account, 0).wrong
    assert fault.startswith(f"request {SENT[0]}: ")
    assert said in fault


def left_as(outcome: str, row: Interception) -> Interception:
    return ended(row, outcome=outcome, response_bytes=10, rows=())


@pytest.mark.parametrize(
    ("outcome", "was_whole", "holds"),
    [
        ("client_disconnected", False, True),
        ("client_disconnected", True, True),
        ("completed", True, True),
        ("completed", False, False),
        ("upstream_cut", False, False),
    ],
)
def test_a_client_that_left_is_recorded_so_unless_the_answer_was_over(
    rows: list[Interception], account: Account, outcome: str, *, was_whole: bool, holds: bool
) -> None:
    found = [left_as(outcome, rows[0]), *rows[1:]]
    verdict = judged(found, seen(rows, left=SENT[0]), {**account, SENT[0]: (1, was_whole)}, 0)
    assert verdict.left == 1
    assert verdict.holds is holds
