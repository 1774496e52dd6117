import re
from dataclasses import replace

import pytest

from bench.load.held import Held, Worked
from bench.load.ledger import Verdict
from bench.load.plan import plan_of
from bench.load.report import Added, Loaded, lines, part

WAITS = tuple((0.001, 0.004 if nth % 50 else 0.009) for nth in range(100))


@pytest.fixture
def loaded() -> Loaded:
    held = Held(10, (40.0, 41.0, 41.0, 41.0, 41.0))
    return Loaded(
        plan=plan_of({}),
        alone=tuple((0.001, 0.003) for _ in range(100)),
        among=WAITS,
        first_seconds=(0.005, 0.006),
        held={"gateway": held, "control": held},
        worked=Worked({"gateway": 0.4}, 0.6),
        verdict=Verdict(100, 100, 5, 0, 0, (), 0),
    )


def test_what_is_added_is_the_difference_of_the_same_quantile() -> None:
    added = Added.of(WAITS)
    assert added.median == pytest.approx(3)
    assert added.p99 == pytest.approx(8)


def test_the_part_of_the_page_holds_ratios(loaded: Loaded) -> None:
    rows = re.findall(r"^\| (.+) \| (-?\d+\.\d\d) \| .* ?\|$", part(loaded), re.MULTILINE)
    values = dict(rows)
    assert values["added to the first byte, 200 streams / one, 99 of 100"] == "4.00"
    assert values["added to the first byte, 200 streams / one, median"] == "1.50"
    assert values["growth of the gateway after the warm-up / 4 MiB"] == "0.00"
    assert all("/" in what for what in values)


def test_the_terminal_shows_units_and_whether_the_machine_was_full(loaded: Loaded) -> None:
    text = "\n".join(lines(loaded))
    assert "added 3.00, p99 8.00" in text
    assert "full" not in text
    full = replace(loaded, worked=Worked({"gateway": 1.0}, 0.97))
    assert "machine busy 97%; full" in "\n".join(lines(full))


def test_a_time_fails_nothing(loaded: Loaded) -> None:
    slow = replace(loaded, among=tuple((0.001, 10.0) for _ in range(100)))
    assert slow.faults == []


def test_a_missing_record_fails_the_run(loaded: Loaded) -> None:
    broken = replace(loaded, verdict=Verdict(100, 99, 5, 1, 0, ("request 1: open",), 0))
    assert broken.faults[0].startswith("records: 1 missing, 0 doubled, 1 wrong")
    assert "request 1: open" in broken.faults


def test_growth_fails_a_run_and_so_does_too_much_memory(loaded: Loaded) -> None:
    growing = Held(10, tuple(40 + second / 10 for second in range(600)))
    huge = Held(10, (300.0, 300.0, 300.0))
    faults = replace(loaded, held={"gateway": growing, "control": huge}).faults
    assert [fault.split()[0:2] for fault in faults] == [["gateway", "grew"], ["control", "holds"]]
