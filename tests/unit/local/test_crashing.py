"""Processes that end themselves where a file says so."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.crashing import Crash, Dying, Order

WORKING = """
import asyncio, sys
from pathlib import Path
from local.crashing import Crash, Dying

class Store:
    async def close(self, number):
        print(number, flush=True)

crash = Crash(sys.argv[2], Path(sys.argv[1]))
store = Dying(Store(), "store", crash)

async def work():
    for number in range(4):
        await store.close(number)

asyncio.run(work())
"""


@pytest.fixture
def order(tmp_path: Path) -> Path:
    return tmp_path / "order"


def works(order: Path, process: str = "gateway") -> tuple[int, str]:
    """Let a process close four records; return how it ended and what it closed."""
    done = subprocess.run(
        [sys.executable, "-c", WORKING, str(order), process], stdout=subprocess.PIPE, check=False
    )
    return done.returncode, done.stdout.decode().replace("\n", "")


@pytest.mark.parametrize(
    ("moment", "number", "closed"), [("before", 1, ""), ("after", 1, "0"), ("before", 3, "01")]
)
def test_a_process_dies_at_the_step_that_it_is_told(
    order: Path, moment: str, number: int, closed: str
) -> None:
    order.write_text(Order("gateway", "store.close", moment, number).written())
    assert works(order) == (-signal.SIGKILL, closed)


def test_the_next_process_lives(order: Path) -> None:
    order.write_text(Order("gateway", "store.close", "after", 2).written())
    assert works(order) == (-signal.SIGKILL, "01")
    assert works(order) == (0, "0123")


def test_an_order_to_another_process_and_one_to_another_step_are_left(order: Path) -> None:
    for told in (Order("sweep", "store.close", "after", 1), Order("gateway", "x", "after", 1)):
        order.write_text(told.written())
        assert works(order) == (0, "0123")
        assert Order.read(order.read_text()) == told


def test_counting_begins_anew_with_a_new_order(
    order: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda _, number: killed.append(number))
    crash = Crash("gateway", order)

    def given(number: int) -> None:
        fresh = order.with_suffix(".new")
        fresh.write_text(Order("gateway", "s", "before", number).written())
        fresh.replace(order)

    given(2)
    crash.reached("s", "before")
    given(2)
    crash.reached("s", "before")
    assert killed == []
    crash.reached("s", "before")
    assert killed == [signal.SIGKILL]


async def test_what_is_no_async_verb_is_no_step(order: Path) -> None:
    class Keys:
        reads_arns = True

        def place(self) -> str:
            return "here"

    keys = Dying(Keys(), "keys", Crash("gateway", order))
    place: Callable[[], str] = keys.place
    assert (keys.reads_arns, place()) == (True, "here")
