"""A sending that hangs or fails costs little, and only so often."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from aigateway.telemetry.exports import DEADLINE_SECONDS, MOST_WAITING, PAUSE, Exports
from tests.clocks import HeldClock

SHORT = 0.05


class Sending:
    """Notes what it is given; ``gate`` holds it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.well = True
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()

    def __call__(self, items: list[str]) -> bool:
        self.batches.append(items)
        self.began.set()
        self.gate.wait(10)
        if not self.well:
            raise OSError("refused")
        return True


@pytest.fixture
def sending() -> Iterator[Sending]:
    made = Sending()
    yield made
    made.gate.set()


def test_a_request_waits_for_its_spans_no_longer_than_said() -> None:
    assert DEADLINE_SECONDS == 1.1
    assert PAUSE.total_seconds() == 60


async def test_what_is_sent_has_left_when_the_call_returns(sending: Sending) -> None:
    exports = Exports(sending, HeldClock())
    for name in ("a", "b"):
        await exports.send([name])
    assert sending.batches == [["a"], ["b"]]


async def test_after_two_failures_in_a_row_nothing_is_sent_for_a_minute(sending: Sending) -> None:
    clock = HeldClock()
    exports = Exports(sending, clock)
    sending.well = False
    for _ in range(4):
        await exports.send(["a"])
    assert len(sending.batches) == 2
    clock.advance(59)
    await exports.send(["b"])
    assert len(sending.batches) == 2
    clock.advance(2)
    for _ in range(2):
        await exports.send(["c"])
    assert len(sending.batches) == 3, "one more try, and the next pause"
    clock.thaw_after(61)
    sending.well = True
    for name in ("d", "e"):
        await exports.send([name])
    assert sending.batches[-2:] == [["d"], ["e"]]


async def test_a_success_between_failures_forgives_them(sending: Sending) -> None:
    exports = Exports(sending, HeldClock())
    for well in (False, True, False, True, False, True):
        sending.well = well
        await exports.send(["a"])
    assert len(sending.batches) == 6


async def test_one_that_hangs_is_left_and_nobody_waits_for_it_again(sending: Sending) -> None:
    exports = Exports(sending, HeldClock(), SHORT)
    sending.gate.clear()
    began = time.monotonic()
    await exports.send(["a"])
    assert time.monotonic() - began >= SHORT
    assert exports._failures == 1
    for _ in range(100):
        await exports.send(["b"])
    assert sending.batches == [["a"]]
    sending.gate.set()
    while exports._running is not None:  # noqa: ASYNC110 - the thread's end is what is awaited
        await asyncio.sleep(0)
    assert exports._failures == 1, "an end that came late mends nothing"
    await exports.send(["c"])
    assert sending.batches == [["a"], ["c"]]


async def test_what_comes_meanwhile_is_sent_together(sending: Sending) -> None:
    exports = Exports(sending, HeldClock(), 10)
    sending.gate.clear()
    first = asyncio.create_task(exports.send(["a"]))
    await asyncio.to_thread(sending.began.wait, 10)
    others = [asyncio.create_task(exports.send([name])) for name in ("b", "c")]
    while len(exports._collecting.items) < 2:  # noqa: ASYNC110 - they have to be there
        await asyncio.sleep(0)
    sending.gate.set()
    await asyncio.gather(first, *others)
    assert sending.batches == [["a"], ["b", "c"]]


async def test_what_is_too_much_is_lost(sending: Sending) -> None:
    exports = Exports(sending, HeldClock())
    await exports.send(["a"] * (MOST_WAITING + 1))
    await exports.send(["b"])
    assert sending.batches == [["b"]]
