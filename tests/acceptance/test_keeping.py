"""How long records are kept, and how they are forgotten: row 92, and what else an operator does."""

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from aigateway.interception import Opened
from aigateway.ledger import spilled_text
from aigateway.ledger.erase import ask_to_erase, erase_due, erasure_of
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.retention import rewritten
from aigateway.ledger.spill_file import NAME, SpillFile
from aigateway.ledger.sqlite import SqliteStore
from aigateway.relay.assembly import build
from aigateway.reload.spilled_file import FromFile
from aigateway.reload.sweep import purge
from aigateway.settings import Settings
from aigateway.steps import steps_of_closing
from aigateway.telemetry.assembly import journal_of
from aigateway.telemetry.journal import Journals
from local.forgetting import forget_lines
from local.record_file import RECORDS, RecordFile
from local.spilling import Spilling
from tests.acceptance.stage import DAY, Stage, blocking, set_up, take_down
from tests.acceptance.words import message, messages, text
from tests.builders import a_closed, a_thought, a_tool, an_opened, at
from tests.clocks import HeldClock
from tests.told import Told

CANARY = "canary-3f9a"


async def expiries(stage: Stage) -> dict[str, timedelta | None]:
    """Return by prompt how long after its start each record expires."""
    window = Window(10, stage.clock.now())
    rows = (await stage.store.interceptions(Filter(), Reach(None), window)).rows
    return {
        row.opened.prompt.text if row.opened.prompt else "": (
            row.opened.expires_at - row.opened.started_at if row.opened.expires_at else None
        )
        for row in rows
    }


async def test_row_92_a_changed_retention_is_for_new_records_until_a_rewrite() -> None:
    stage = await set_up(retention=DAY)
    await stage.tell("messages", messages("old"), blocking(message(text("ok"))))
    settings = Settings(retention=None, snapshot_poll_seconds=0.0, key_cache_seconds=0.0)
    changed = replace(stage, app=build(settings, stage.store, stage.keys, stage.clock, stage.peer))
    await changed.tell("messages", messages("new"), blocking(message(text("ok"))))
    assert await expiries(stage) == {"old": DAY, "new": None}
    batches = [b async for b in rewritten(stage.store.keeping(), stage.clock, None)]
    assert sum(batch.changed for batch in batches) == 1
    assert await expiries(stage) == {"old": None, "new": None}
    stage.clock.advance(400 * 86_400)
    assert len(await expiries(stage)) == 2
    await take_down(stage)


async def test_a_rewrite_that_was_killed_goes_on_and_another_one_begins_anew(stage: Stage) -> None:
    for number in range(3):
        opened = an_opened(number)
        closed = a_closed(opened)
        await stage.store.open(opened)
        await stage.store.close(opened, closed, steps_of_closing(opened, closed))
    keeping = stage.store.keeping()
    first = await keeping.align(DAY, at(10), None, 2)
    async for _ in rewritten(keeping, stage.clock, DAY):
        break
    assert first.place is not None
    job = await keeping.job("retention", "rewrite")
    assert job is not None
    kept = {**job.document, "place": first.place}
    await keeping.put_job(replace(job, version=job.version + 1, document=kept))
    rest = [b async for b in rewritten(keeping, stage.clock, DAY)]
    assert sum(batch.examined for batch in rest) == 1
    anew = [b async for b in rewritten(keeping, stage.clock, None)]
    assert sum(batch.changed for batch in anew) == 3


async def told(store: SqliteStore, number: int, initiator: str, word: str) -> Opened:
    opened = an_opened(
        number,
        session=f"{word}-session-{number // 20}" if number % 3 else None,
        initiator_id=initiator,
        initiator_username=f"{word}-name",
        prompt=f"{word} {number} " * (1 + number % 700),
        metadata={"Username": f"{word}-name"},
    )
    thought, tool = a_thought(f"{word} thinks " * (number % 400)), a_tool(f"{word}-{number}")
    await store.open(opened)
    closed = a_closed(
        opened, thought, tool, error_message=word, provider_response_id=f"{word}{number}"
    )
    await store.close(opened, closed, ())
    return opened


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_nothing_of_an_erased_user_is_left_in_the_state_directory(tmp_path: Path) -> None:
    store, clock = SqliteStore(tmp_path / "ledger.db"), HeldClock()
    await store.start()
    # Texts are compressed, so what is looked for stands in names, ids and the sessions' prompts.
    for number in range(400):
        await told(store, number, "u-alice", CANARY)
        await told(store, number, "u-bob", "other")
    assert CANARY.encode() in bytes_in(tmp_path)
    await ask_to_erase(store, clock, "u-alice", "alice", "u-root")
    assert await erase_due(store, clock) == 400
    assert CANARY.encode() not in bytes_in(tmp_path)
    running = await erasure_of(store, "u-alice")
    assert running is not None
    assert (running.finished_at, running.deleted["texts"]) == (None, 800)
    await told(store, 500, "u-alice", CANARY)
    clock.advance(31 * 60)
    assert await erase_due(store, clock) == 1
    done = await erasure_of(store, "u-alice")
    assert done is not None
    assert (done.finished_at, done.deleted["interceptions"]) == (clock.now(), 401)
    assert await erase_due(store, clock) == 0
    await store.stop()
    assert CANARY.encode() not in bytes_in(tmp_path)
    assert b"other-name" in bytes_in(tmp_path)


async def test_nothing_of_an_erased_user_is_left_in_the_files_beside_the_ledger(
    tmp_path: Path,
) -> None:
    """Records that could not be stored wait in one, lines of all records are in others."""
    store, clock = SqliteStore(None), HeldClock()
    await store.start()
    lines = RecordFile(tmp_path / RECORDS, "gateway", file_bytes=40_000)
    spilled = SpillFile(tmp_path / NAME)
    journal = Journals(journal_of(Settings(), lines, spilled_text), Spilling(spilled))
    for number in range(30):
        for initiator, word in (("u-alice", CANARY), ("u-bob", "other")):
            opened = an_opened(number, initiator_id=initiator, prompt=f"{word} asks")
            closed = a_closed(opened, a_thought(f"{word} thinks"))
            journal.closed(opened, closed, stored=number % 2 == 0)
    with (tmp_path / NAME).open("ab") as torn:
        torn.write(f'{{"answer":{{"rows":[{{"fact":{{"text":"{CANARY}'.encode())
    forget = partial(forget_lines, tmp_path)
    await ask_to_erase(store, clock, "u-alice", "alice", "u-root")
    await erase_due(store, clock, forget)
    left = bytes_in(tmp_path)
    assert CANARY.encode() not in left
    assert left.count(b"other asks") > 15
    assert len(spilled.first(99).lines) == 15
    running = await erasure_of(store, "u-alice")
    assert running is not None
    assert (running.finished_at, running.deleted["lines"] > 15) == (None, True)
    late = an_opened(0, initiator_id="u-alice", prompt=f"{CANARY} was in flight")
    journal.closed(late, a_closed(late), stored=False)
    assert await FromFile(spilled, clock, Told()).run(store) == 15
    assert await store.interception(late.id, Reach(None), clock.now()) is None
    clock.advance(31 * 60)
    await erase_due(store, clock, forget)
    assert CANARY.encode() not in bytes_in(tmp_path)
    done = await erasure_of(store, "u-alice")
    assert done is not None
    assert done.finished_at == clock.now()
    lines.close()
    await store.stop()


async def test_an_erasure_is_not_over_before_the_files_are_clean() -> None:
    store, clock = SqliteStore(None), HeldClock()
    await store.start()
    await ask_to_erase(store, clock, "u-alice", "alice", "u-root")
    clock.advance(31 * 60)

    def fails(_: str) -> int:
        raise OSError(30, "Read-only file system")

    with pytest.raises(OSError, match="Read-only"):
        await erase_due(store, clock, fails)
    running = await erasure_of(store, "u-alice")
    assert running is not None
    assert running.finished_at is None
    await erase_due(store, clock)
    done = await erasure_of(store, "u-alice")
    assert done is not None
    assert done.finished_at is not None
    await store.stop()


async def test_an_admin_asks_for_an_erasure_and_sees_its_receipt() -> None:
    """Counters stay: they hold ids, and no longer what the rows say."""
    stage = await set_up()
    await stage.add_user("root", "admin")
    await stage.tell("messages", messages(CANARY), blocking(message(text("ok"))))
    await stage.tell("messages", messages("other"), blocking(message(text("ok"))), user="bob")
    path = "/api/v2/ai/users/alice/data"
    assert stage.call("GET", path, "root")[0] == 404
    for user in ("alice", "auditor"):
        assert stage.call("DELETE", path, user)[0] == 403
    status, asked = stage.call("DELETE", path, "root")
    assert (status, asked["state"], asked["deleted"]["interceptions"]) == (202, "running", 0)
    refused = await stage.send("/anthropic/v1/messages", json.dumps(messages("x")).encode())
    assert refused.status == 401
    assert await erase_due(stage.store, stage.clock) == 1
    assert await stage.recorded() == 1
    stage.clock.advance(31 * 60)
    await erase_due(stage.store, stage.clock)
    status, done = stage.call("GET", path, "root")
    assert (status, done["state"], done["deleted"]["sessions"]) == (200, "done", 1)
    assert stage.call("DELETE", "/api/v2/ai/users/nobody/data", "root")[0] == 404
    entries = await stage.store.audited(stage.clock.now() - DAY, stage.clock.now() + DAY)
    assert [(each.action, each.target) for each in entries] == [("user.erased", "alice")]
    await take_down(stage)


async def test_a_purge_in_small_batches_lets_gateways_write(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    old, gateway, tick = SqliteStore(path), SqliteStore(path), SqliteStore(path)
    for store in (old, gateway, tick):
        await store.start()
    for number in range(600):
        opened = an_opened(number / 100, session=f"s-{number % 50}", expires_at=at(60))
        await old.open(opened)
        await old.close(opened, a_closed(opened), ())
    kept: list[Opened] = []
    wrote = asyncio.Event()

    async def write() -> None:
        while True:
            opened = an_opened(100 + len(kept) / 100, session=f"s-{len(kept) % 50}")
            await gateway.open(opened)
            assert await gateway.close(opened, a_closed(opened), ())
            kept.append(opened)
            wrote.set()

    writing = asyncio.create_task(write())
    deleted, runs = 0, 0
    while deleted < 600:
        deleted += await tick.purge(at(1000), 50)
        runs += 1
    await wrote.wait()
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    assert runs >= 12
    await purge(tick, at(1000))
    found = [await tick.interception(one.id, Reach(None), at(1000)) for one in kept]
    assert all(row is not None and row.closed is not None for row in found)
    for store in (old, gateway, tick):
        await store.stop()
