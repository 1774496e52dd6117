"""Failures of the store are counted with the next write that it takes."""

from collections import Counter
from typing import final

import pytest

from aigateway.errors import LedgerFault, RecorderUnavailable
from aigateway.interception import Closed, Opened, Parents
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import ParentQuery
from aigateway.relay.recorder import Recorder
from aigateway.steps import Step, rejected
from tests.breaking import Outage
from tests.builders import a_closed, an_opened
from tests.told import Told

QUERY = ParentQuery("u", None, None, ("c",), None)


@final
class Store:
    """Answers, or does not."""

    def __init__(self) -> None:
        self.down = False
        self.wins = True
        self.steps: list[Step] = []

    async def open(self, opened: Opened) -> None:
        self._answer(())

    async def close(self, opened: Opened, closed: Closed, steps: tuple[Step, ...]) -> bool:
        self._answer(steps if self.wins else ())
        return self.wins

    async def late(self, opened: Opened, closed: Closed) -> bool:
        self._answer(())
        return True

    async def count(self, steps: tuple[Step, ...]) -> None:
        self._answer(steps)

    async def parents(self, query: ParentQuery) -> Parents | None:
        self._answer(())
        return None

    def _answer(self, steps: tuple[Step, ...]) -> None:
        if self.down:
            raise RecorderUnavailable("sk-planted-0a1b2c3d4e5f")
        self.steps.extend(steps)


async def fail(recorder: Recorder) -> None:
    """Ask for everything once, of a store that answers nothing."""
    opened = an_opened()
    for asking in (
        recorder.open(opened),
        recorder.close(opened, a_closed(opened), ()),
        recorder.late(opened, a_closed(opened)),
        recorder.count(rejected("x")),
        recorder.parents(QUERY),
    ):
        with pytest.raises(LedgerFault):
            await asking


ERRORS: dict[tuple[str, ...], int] = {
    ("err", verb): 1 for verb in ("open", "close", "late", "count", "parents")
} | {("spilled",): 2}
"""Neither of the two that ended a record is stored."""


async def test_what_failed_is_counted_once_when_the_store_answers_again() -> None:
    store, told = Store(), Told()
    recorder = Recorder(store, told)
    store.down = True
    await fail(recorder)
    assert told.events == [("RecorderErrors", 1)] * 5
    assert store.steps == []
    store.down = False
    await recorder.count(())
    assert {step.key: step.amount for step in store.steps} == ERRORS
    await recorder.count(())
    assert len(store.steps) == 6


async def test_a_closing_takes_them_with_it_but_not_one_that_another_call_has_won() -> None:
    store, told = Store(), Told()
    recorder = Recorder(store, told)
    store.down = True
    await fail(recorder)
    store.down, store.wins = False, False
    opened = an_opened()
    assert not await recorder.close(opened, a_closed(opened), ())
    assert store.steps == []
    store.wins = True
    assert await recorder.close(opened, a_closed(opened), rejected("x"))
    assert {step.key: step.amount for step in store.steps} == {("x",): 1, **ERRORS}


async def test_i10_a_record_that_cannot_be_opened_is_told_without_the_stores_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    store.down = True
    await fail(Recorder(store, Told()))
    (record,) = caplog.records
    assert "could not be opened" in record.message
    assert record.__dict__["error"] == "RecorderUnavailable"
    assert "planted" not in str(record.__dict__)


async def test_a_store_counts_them() -> None:
    store = SqliteStore(None)
    await store.start()
    outage = Outage(store)
    recorder = Recorder(outage, Told())
    outage.down = True
    await fail(recorder)
    outage.down = False
    opened = an_opened()
    await recorder.open(opened)
    assert await recorder.close(opened, a_closed(opened), ())
    counted = await store.counters()
    assert {key: amounts["n"] for (kind, key), amounts in counted.items() if kind == "O"} == ERRORS
    await store.stop()


async def test_what_is_owed_is_counted_with_the_next_write_as_often_as_it_was() -> None:
    store = Store()
    recorder = Recorder(store, Told())
    recorder.owe(rejected("x"))
    recorder.owe((*rejected("x"), *rejected("y")))
    store.down = True
    with pytest.raises(LedgerFault):
        await recorder.count(())
    store.down = False
    assert store.steps == []
    await recorder.count(rejected("x"))
    moved: Counter[tuple[str, ...]] = Counter()
    for step in store.steps:
        moved[step.key] += step.amount
    assert moved == {("x",): 3, ("y",): 1, ("err", "count"): 1}
