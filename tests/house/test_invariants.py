"""Every invariant has a test that carries its number."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
INVARIANTS = {
    1: "response bytes, status and end-to-end headers are the provider's",
    2: "request bytes and query reach the provider unchanged",
    3: "the named edits change their own bytes only, each off by one setting",
    4: "facts do not depend on where chunks are cut",
    5: "nothing the scribe does changes a response",
    6: "no complete request and no response byte before the opening record is durable",
    7: "one opening and at most one closing per id",
    8: "an opening without a closing is closed by the sweeper, not too early",
    9: "the closing write is attempted before the end of the body, within its bound",
    10: "no key, token or cookie in a record, a line, an error or an exception",
    11: "one client request makes one complete provider request",
    12: "memory per exchange is bounded",
    13: "what is not understood is no reason to refuse",
    14: "a failed reload leaves the last good snapshot and moves only the attempt's time",
    15: "every item of a record carries the same expiry",
    16: "recorded tokens equal the provider's last report",
    17: "a member reads only its own sessions",
    18: "label values come from closed sets",
    19: "a cut stays a cut",
    21: "records and facts are immutable and equal by value",
}
"""20 (two hosts, one answer) speaks of what the gateway does not do."""


def test_every_invariant_is_tested_and_every_number_is_an_invariant() -> None:
    named: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        named |= {int(n) for n in re.findall(r"def test_i(\d\d)_", path.read_text())}
    assert set(INVARIANTS) - named == set(), "an invariant without a test"
    assert named - set(INVARIANTS) <= {20}, "a number that means nothing"
