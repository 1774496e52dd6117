"""An embedded ledger whose file is full, locked, read-only, gone or damaged."""

import asyncio
import shutil
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path
from threading import Event

import pytest

from aigateway.errors import RecorderUnavailable
from aigateway.reload.sweep import sweep
from aigateway.reload.tick import Tick
from tests.builders import an_opened
from tests.faults.conftest import OverFile
from tests.faults.file import HARMS
from tests.faults.site import LATER, LONG, LONG_ANSWER, TOKENS, end_of, prompt_of, tokens_of
from tests.recount import disagreement

COMPLETED, ABANDONED = ("completed", None), ("abandoned", "unknown")
UNREADABLE = ("file deleted", "directory gone", "damaged")


@pytest.mark.parametrize("harm", HARMS)
async def test_a_request_whose_record_cannot_be_opened_is_refused_until_it_can(
    over_file: OverFile, harm: str
) -> None:
    site, ledger = await over_file()
    before = len(site.seen)
    async with HARMS[harm](ledger):
        for dialect in ("messages", "chat", "responses"):
            refused = await site.ask(dialect, f"in {dialect} {LONG}")
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert refused.headers["x-ai-gateway-error"] == "recorder_unavailable"
    assert len(site.seen) == before
    again = await site.ask("chat", f"in chat {LONG}")
    assert (again.status, again.over) == (200, True)
    assert [end_of(row) for row in await site.settled()] == [COMPLETED] * 2


@pytest.mark.parametrize("harm", HARMS)
async def test_a_record_that_cannot_be_closed_leaves_the_client_alone_and_comes_home(
    over_file: OverFile, harm: str
) -> None:
    """Unless the directory is gone, which holds what was kept of the record as well."""
    site, ledger = await over_file()
    async with AsyncExitStack() as stack:
        async with site.midway("go") as asking:
            await stack.enter_async_context(HARMS[harm](ledger))
        answered = await asking
    assert (answered.status, answered.body, answered.over) == (200, LONG_ANSWER, True)
    await site.served()
    (row,) = [row for row in await site.settled() if prompt_of(row) == "go"]
    is_lost = harm == "directory gone"
    assert (end_of(row), tokens_of(row)) == (
        (ABANDONED, (0, 0)) if is_lost else (COMPLETED, TOKENS)
    )


@pytest.mark.parametrize("harm", HARMS)
async def test_what_belongs_to_no_record_fails_alone(over_file: OverFile, harm: str) -> None:
    """A refusal stays the refusal it is, and is counted once at most."""
    site, ledger = await over_file()
    plain = await site.stage.send("/nowhere/v1/messages")
    async with HARMS[harm](ledger):
        refused = await site.stage.send("/nowhere/v1/messages")
    assert (
        (refused.status, refused.body[:40])
        == (plain.status, plain.body[:40])
        == (404, plain.body[:40])
    )
    counted = (await ledger.store.counters())["J", ("route_not_supported",)]["n"]
    assert counted == (2 if harm == "disk full" else 1)


@pytest.mark.parametrize("harm", HARMS)
async def test_readers_are_answered_as_long_as_the_file_can_be_read(
    over_file: OverFile, harm: str
) -> None:
    site, ledger = await over_file()
    await site.served()
    plain = site.stage.get("interceptions")
    async with HARMS[harm](ledger):
        for path in ("interceptions", "sessions", "sessions/session-1", "models"):
            status, document = site.stage.query(path)
            assert status == (503 if harm in UNREADABLE else 200)
            assert harm not in UNREADABLE or document["message"] == "The store cannot be reached."
    assert site.stage.get("interceptions") == plain


@pytest.mark.parametrize("harm", HARMS)
async def test_a_reload_and_a_sweep_that_fail_are_made_up_for_by_the_next(
    over_file: OverFile, harm: str
) -> None:
    site, ledger = await over_file(snapshot_poll_seconds=0.0, key_cache_seconds=86_400.0)
    orphan, now = an_opened(prompt="lost"), site.clock.now() + LATER
    await ledger.store.open(orphan)
    site.clock.advance(60)
    tick = Tick(site.clock, site.stage.reload, {})
    before = await ledger.store.reload_state()
    async with HARMS[harm](ledger):
        if harm != "disk full":
            with pytest.raises(RecorderUnavailable):
                await tick.run(ledger.store)
            with pytest.raises(RecorderUnavailable):
                await sweep(ledger.store, now)
    assert await ledger.store.reload_state() == before
    await tick.run(ledger.store)
    assert (await ledger.store.reload_state()).succeeded_at == site.clock.now()
    assert await sweep(ledger.store, now) == 1
    assert await sweep(ledger.store, now) == 0
    assert (await ledger.store.counters())["O", ("orphans",)] == {"n": 1}


async def test_a_lock_that_is_let_go_in_time_is_waited_for(over_file: OverFile) -> None:
    site, ledger = await over_file()
    other = sqlite3.connect(ledger.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    begun = Event()

    def noted(statement: str) -> None:
        if statement == "BEGIN IMMEDIATE":
            begun.set()

    def let_go() -> None:
        assert begun.wait(10)
        other.close()

    await ledger.store._database.apart(lambda c: c.set_trace_callback(noted))
    answered, _ = await asyncio.gather(site.ask(words="go"), asyncio.to_thread(let_go))
    assert (answered.status, answered.over) == (200, True)
    assert [end_of(row) for row in await site.settled()] == [COMPLETED] * 2


async def test_a_copy_that_is_put_in_place_is_gone_on_with(over_file: OverFile) -> None:
    """What was recorded since the copy was made is gone with the file that held it."""
    site, ledger = await over_file()
    await ledger.set("wal_checkpoint(TRUNCATE)")
    copy = ledger.path.with_name("copy.db")
    shutil.copyfile(ledger.path, copy)
    assert (await site.ask(words="gone")).status == 200
    replace(ledger.path, copy)
    assert (await site.ask(words="kept")).status == 200
    async with site.opened_elsewhere() as store:
        found = [prompt_of(row) for row in await site.records(store)]
        assert await disagreement(store, site.clock.now()) == {}
    assert "gone" not in found
    assert "kept" in found


def replace(path: Path, copy: Path) -> None:
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink()
    copy.replace(path)
