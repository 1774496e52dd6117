"""Keeping the pool fresh, off the path of requests."""

import asyncio
from dataclasses import dataclass

import pytest

from aigateway.errors import LedgerFault
from aigateway.ledger.store import Published, ReloadState
from aigateway.pool.keyring import Keyrings
from aigateway.pool.providers import ProviderRow
from aigateway.pool.snapshot import Pool, snapshot_document
from aigateway.relay.asides import Asides
from aigateway.relay.cooldowns import Cooldowns
from aigateway.relay.refresh import Refresh
from tests.clocks import HeldClock


@dataclass
class Directory:
    """Has the snapshot of ``version``, unless it is 0; ``gate`` holds its answers.

    ``damage`` is what stands in place of the document. ``opens`` counts how often it was opened.
    """

    gate: asyncio.Event
    version: int = 1
    looks: int = 0
    loads: int = 0
    opens: int = 0
    down: bool = False
    damage: bytes | None = None

    async def start(self) -> None:
        if self.down:
            raise LedgerFault("down")
        self.opens += 1

    async def reload_state(self) -> ReloadState:
        self.looks += 1
        version = self.version
        await self.gate.wait()
        if self.down:
            raise LedgerFault("down")
        return ReloadState(version, self._digest, None, None)

    @property
    def _digest(self) -> str:
        return snapshot_document(self._rows)[1]

    @property
    def _rows(self) -> tuple[ProviderRow, ...]:
        return (ProviderRow(f"v{self.version}", {"type": "anthropic"}, 1),)

    async def published(self) -> Published | None:
        self.loads += 1
        document = self.damage if self.damage is not None else snapshot_document(self._rows)[0]
        return Published(self.version, self._digest, document) if self.version else None


@dataclass
class Setup:
    directory: Directory
    pool: Pool
    clock: HeldClock
    refresh: Refresh


def setup(poll_seconds: float = 15.0, version: int = 1) -> Setup:
    directory, pool, clock = Directory(asyncio.Event(), version), Pool(), HeldClock()
    directory.gate.set()
    refresh = Refresh(
        directory,  # type: ignore[arg-type]  # the three verbs that it needs
        pool,
        clock,
        poll_seconds=poll_seconds,
        allow_byok=True,
        allowed=(),
        cooldowns=Cooldowns(directory, Keyrings(), clock),  # type: ignore[arg-type]  # not asked
    )
    return Setup(directory, pool, clock, refresh)


async def before_request(made: Setup) -> None:
    asides = Asides()
    await made.refresh.before_request(asides)
    await asides.join()


async def test_the_snapshot_is_loaded_at_the_start_and_only_when_it_changed() -> None:
    made = setup()
    for _ in range(3):
        await made.refresh.look()
    assert await made.refresh.is_ready()
    assert (made.directory.looks, made.directory.loads) == (3, 1)


async def test_a_newer_snapshot_is_looked_for_at_half_the_interval_and_not_more_often() -> None:
    made = setup()
    await made.refresh.look()
    made.directory.version = 2
    for seconds, looks in ((7.4, 1), (0.1, 2), (7.4, 2)):
        made.clock.advance(seconds)
        await before_request(made)
        assert made.directory.looks == looks
    assert made.pool.version == 2


async def test_a_request_does_not_wait_for_a_look() -> None:
    made = setup()
    await made.refresh.look()
    made.clock.advance(14.9)
    made.directory.gate.clear()
    asides = Asides()
    await asyncio.wait_for(made.refresh.before_request(asides), 5)
    made.directory.gate.set()
    await asides.join()
    assert made.directory.looks == 2


async def test_without_any_snapshot_requests_wait_for_one_look_together() -> None:
    made = setup()
    made.directory.gate.clear()
    waiting = [asyncio.create_task(before_request(made)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    made.directory.gate.set()
    await asyncio.gather(*waiting)
    assert made.directory.looks == 1
    assert made.pool.version == 1


async def test_without_any_snapshot_every_request_asks_again() -> None:
    made = setup(version=0)
    await made.refresh.look()
    await before_request(made)
    made.directory.version = 1
    await before_request(made)
    assert made.pool.version == 1


async def test_with_no_interval_every_request_waits_for_a_look() -> None:
    made = setup(poll_seconds=0)
    await made.refresh.look()
    made.directory.version = 2
    await made.refresh.before_request(Asides())
    assert made.pool.version == 2


async def test_i14_a_failed_look_keeps_the_last_good_snapshot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = setup()
    await made.refresh.look()
    made.directory.down = True
    made.clock.advance(3600)
    await before_request(made)
    assert made.pool.current().version == 1
    assert not await made.refresh.is_ready()
    assert len(caplog.records) == 1
    made.directory.down = False
    made.clock.advance(15)
    await before_request(made)
    assert await made.refresh.is_ready()


async def test_a_probe_asks_again_where_it_was_not_ready_and_at_most_once_a_second() -> None:
    made = setup()
    made.directory.down = True
    for _ in range(3):
        assert not await made.refresh.is_ready()
    assert (made.directory.opens, made.directory.looks) == (0, 0)
    made.directory.down = False
    made.clock.advance(1)
    assert await made.refresh.is_ready()
    for _ in range(3):
        made.clock.advance(60)
        assert await made.refresh.is_ready()
    assert (made.directory.opens, made.directory.looks) == (1, 1)


async def test_what_the_store_did_for_others_counts_too() -> None:
    made = setup()
    await made.refresh.look()
    made.refresh.store_answered(well=False)
    assert not await made.refresh.is_ready()
    made.refresh.store_answered(well=True)
    assert await made.refresh.is_ready()


async def test_a_probe_asks_a_silent_store_again_but_not_more_than_once_a_second() -> None:
    made = setup()
    made.directory.down = True
    await made.refresh.look()
    made.directory.down = False
    assert not await made.refresh.is_ready()
    made.clock.advance(1)
    assert await made.refresh.is_ready()
    made.refresh.store_answered(well=False)
    assert not await made.refresh.is_ready()


async def test_a_gateway_begins_while_the_store_is_silent_and_opens_it_later() -> None:
    made = setup()
    made.directory.down = True
    await made.refresh.look()
    await before_request(made)
    assert made.pool.version == 0
    made.directory.down = False
    await before_request(made)
    await made.refresh.look()
    assert (made.directory.opens, made.pool.version) == (1, 1)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"providers": [1]}', b"\xff"])
async def test_a_damaged_snapshot_keeps_the_last_good_one_and_is_logged(
    damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    made = setup(poll_seconds=0)
    await made.refresh.look()
    made.directory.version, made.directory.damage = 2, damage
    await before_request(made)
    assert (made.pool.version, await made.refresh.is_ready()) == (1, True)
    assert caplog.messages[0].startswith("snapshot unreadable: ")
    made.directory.damage = None
    await before_request(made)
    assert made.pool.version == 2


async def test_a_store_that_was_restored_is_followed_even_to_an_earlier_version() -> None:
    made = setup(version=7)
    await made.refresh.look()
    made.directory.version = 3
    await made.refresh.look()
    assert made.pool.version == 3


async def test_the_age_of_the_pool_goes_by_the_wall_clock_which_a_freeze_does_not_stop() -> None:
    made = setup()
    await made.refresh.look()
    made.directory.version = 2
    made.clock.thaw_after(15)
    await before_request(made)
    assert made.pool.version == 2


async def test_a_clock_that_was_set_back_makes_a_look_due() -> None:
    made = setup()
    await made.refresh.look()
    made.directory.version = 2
    made.clock.thaw_after(-3600)
    await before_request(made)
    assert made.pool.version == 2


@pytest.mark.parametrize("seconds", [15, 3600])
async def test_a_request_sees_what_changed_a_whole_interval_before_it(seconds: float) -> None:
    made = setup()
    await made.refresh.look()
    made.directory.version = 2
    made.clock.thaw_after(seconds)
    await made.refresh.before_request(Asides())
    assert made.pool.version == 2


async def test_after_a_long_freeze_a_silent_store_holds_a_request_up_for_a_second_only() -> None:
    made = setup()
    await made.refresh.look()
    made.directory.gate.clear()
    made.clock.thaw_after(3600)
    asides = Asides()
    await asyncio.wait_for(made.refresh.before_request(asides), 5)
    assert (made.directory.looks, made.pool.version) == (2, 1)
    made.directory.gate.set()
    await asides.join()


async def test_with_no_interval_a_look_that_began_before_the_request_is_not_enough() -> None:
    made = setup(poll_seconds=0)
    await made.refresh.look()
    made.directory.gate.clear()
    early = asyncio.create_task(made.refresh.before_request(Asides()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert made.directory.looks == 2
    made.directory.version = 2
    late = [asyncio.create_task(made.refresh.before_request(Asides())) for _ in range(3)]
    await asyncio.sleep(0)
    made.directory.gate.set()
    await asyncio.gather(early, *late)
    assert (made.pool.version, made.directory.looks) == (2, 3)
