"""A tick closes what gateways kept in the file, and leaves what it cannot close."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aigateway.errors import LedgerFault
from aigateway.interception import Closed, Opened
from aigateway.ledger.listing import Reach
from aigateway.ledger.rows import whole
from aigateway.ledger.spill_file import NAME, SpillFile
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.transfer import line_of
from aigateway.reload.spilled_file import FAULTS_A_RUN, RECORDS_A_RUN, FromFile
from aigateway.reload.tick import Tick
from tests.breaking import Breaking, Outage
from tests.builders import a_closed, a_usage, an_opened, at
from tests.clocks import HeldClock
from tests.recount import disagreement
from tests.reloads import a_reload
from tests.told import Told

Record = tuple[Opened, Closed]


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def file(tmp_path: Path) -> SpillFile:
    return SpillFile(tmp_path / NAME)


def a_reader(file: SpillFile, told: Told | None = None) -> FromFile:
    return FromFile(file, HeldClock(), told or Told())


async def spill(store: SqliteStore, file: SpillFile, number: int) -> list[Record]:
    """Let records be opened and not closed; return them."""
    records = []
    for second in range(number):
        opened = an_opened(second)
        closed = a_closed(opened, a_usage())
        await store.open(opened)
        file.append(line_of(whole(opened, closed)))
        records.append((opened, closed))
    return records


async def test_spilled_records_are_closed_counted_told_of_and_taken_away(
    store: SqliteStore, file: SpillFile
) -> None:
    records, told = await spill(store, file, 3), Told()
    assert await a_reader(file, told).run(store) == 3
    for opened, closed in records:
        assert await store.interception(opened.id, Reach(None), at(9)) == whole(opened, closed)
    assert told.records == [(opened, closed, True) for opened, closed in records]
    assert file.first(9).lines == ()
    assert await disagreement(store, at(9)) == {}


async def test_a_second_time_nothing_is_counted_and_nothing_told(
    store: SqliteStore, file: SpillFile
) -> None:
    (record,) = await spill(store, file, 1)
    await a_reader(file).run(store)
    file.append(line_of(whole(*record)))
    told = Told()
    assert await a_reader(file, told).run(store) == 0
    assert (file.first(9).lines, told.records) == ((), [])
    assert await disagreement(store, at(9)) == {}


async def test_a_hundred_are_closed_at_a_run_the_oldest_first(
    store: SqliteStore, file: SpillFile
) -> None:
    records = await spill(store, file, RECORDS_A_RUN + 1)
    reader = a_reader(file)
    assert await reader.run(store) == RECORDS_A_RUN
    assert reader.is_behind
    assert file.first(9).lines == (line_of(whole(*records[-1])),)
    assert await reader.run(store) == 1
    assert not reader.is_behind


async def test_lines_that_nobody_can_read_hold_up_no_sweep(
    store: SqliteStore, file: SpillFile
) -> None:
    for _ in range(RECORDS_A_RUN + 1):
        file.append(b'{"v":99}\n')
    reader = a_reader(file)
    assert await reader.run(store) == 0
    assert not reader.is_behind


async def test_one_that_the_store_does_not_take_stops_no_other_and_stays(
    store: SqliteStore, file: SpillFile
) -> None:
    records = await spill(store, file, 3)
    bad = records[0][0].id
    broken = Breaking(store, "close", when=lambda opened, *_: opened.id == bad)
    with pytest.raises(LedgerFault):
        await a_reader(file).run(broken)
    assert file.first(9).lines == (line_of(whole(*records[0])),)
    assert await a_reader(file).run(store) == 1


async def test_a_silent_store_is_not_asked_for_each_and_others_have_their_turn(
    store: SqliteStore, file: SpillFile
) -> None:
    records = await spill(store, file, FAULTS_A_RUN + 2)
    outage, reader = Outage(store), a_reader(file)
    outage.down = True
    with pytest.raises(LedgerFault):
        await reader.run(outage)
    assert reader.is_behind
    lines = [line_of(whole(*record)) for record in records]
    assert [*file.first(9).lines] == lines[FAULTS_A_RUN:] + lines[:FAULTS_A_RUN]
    outage.down = False
    assert await reader.run(outage) == len(records)


async def test_a_torn_line_is_told_of_once_and_one_that_cannot_be_read_stays(
    store: SqliteStore, file: SpillFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await spill(store, file, 1)
    file.append(b'{"v":99}\n')
    in_flight = an_opened(7)
    file.append(line_of(whole(in_flight, None)))
    with (tmp_path / NAME).open("ab") as torn:
        torn.write(b'{"v":1,"op')
    assert await a_reader(file).run(store) == 1
    assert "1 spilled lines were never finished" in caplog.text
    assert "2 spilled lines cannot be read, and stay" in caplog.text
    caplog.clear()
    assert await a_reader(file).run(store) == 0
    assert "never finished" not in caplog.text
    assert file.first(9).lines == (b'{"v":99}\n', line_of(whole(in_flight, None)))


async def test_a_torn_line_that_others_followed_is_gone_too(
    store: SqliteStore, file: SpillFile, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(b'{"v":1,"opened":{}')
    await spill(store, file, 1)
    assert await a_reader(file).run(store) == 1
    assert file.first(9).lines == ()


async def test_while_spilled_records_wait_for_their_turn_no_orphan_is_given_up(
    store: SqliteStore, file: SpillFile
) -> None:
    records = await spill(store, file, RECORDS_A_RUN + 1)
    clock = HeldClock()
    clock.advance(60 * 60)
    orphan = an_opened(-1)
    await store.open(orphan)
    tick = Tick(clock, a_reload(clock), {}, spilled=FromFile(file, clock, Told()))
    first, second = await tick.run(store), await tick.run(store)
    assert (first["spilled"], first["sweep"]) == (RECORDS_A_RUN, 0)
    assert (second["spilled"], second["sweep"]) == (1, 1)
    found = await store.interception(records[-1][0].id, Reach(None), at(9))
    assert found is not None
    assert found.closed == records[-1][1]


@pytest.mark.parametrize(("hours", "swept"), [(1, 0), (25, 1)])
async def test_an_orphan_that_the_store_may_take_soon_is_not_given_up_for_a_day(
    store: SqliteStore, file: SpillFile, hours: int, swept: int
) -> None:
    (record,) = await spill(store, file, 1)
    clock = HeldClock()
    clock.advance(hours * 3600)
    verbs: list[str] = []

    def is_spilled(opened: Opened, closed: Closed, *_: object) -> bool:
        verbs.append(closed.outcome)
        return closed.outcome == "completed"

    tick = Tick(clock, a_reload(clock), {}, spilled=FromFile(file, clock, Told()))
    with pytest.raises(LedgerFault, match=record[0].id):
        await tick.run(Breaking(store, "close", when=is_spilled))
    assert verbs == ["completed", *["abandoned"] * swept]
    assert (await tick.run(store))["spilled"] == 1 - swept
    found = await store.interception(record[0].id, Reach(None), at(9))
    assert found is not None
    assert found.closed is not None
    assert found.closed.late.get("outcome") == ("completed" if swept else None)


async def test_a_file_that_cannot_be_read_stops_no_sweep(
    store: SqliteStore, tmp_path: Path
) -> None:
    (tmp_path / NAME).mkdir()
    clock = HeldClock()
    clock.advance(60 * 60)
    await store.open(an_opened())
    reader = FromFile(SpillFile(tmp_path / NAME), clock, Told())
    with pytest.raises(OSError, match="directory"):
        await Tick(clock, a_reload(clock), {}, spilled=reader).run(store)
    assert await store.orphans(clock.now(), 9) == ()
