"""What real processes do with a record whose store fails while the answer is relayed."""

import asyncio
import json
import os
import signal
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aigateway.clock import SystemClock
from aigateway.ledger.listing import Reach
from aigateway.ledger.sqlite import SqliteStore
from aigateway.reload.sweep import sweep
from tests.e2e.conftest import needs_stand_in
from tests.e2e.product import Product, running
from tests.e2e.test_durability import eventually, hear, interceptions, raw_request
from tests.recount import disagreement

SLOW = "events=30;drip=20"
"""Long enough to take the store away in the midst of it."""
END = b"\r\n0\r\n\r\n"
WAITING = {"AIGW_CLOSE_SECONDS": "40s"}
"""The end of an answer waits for its record, so that it tells when the store was given up."""


@contextmanager
def without_store(product: Product) -> Iterator[None]:
    """Let nobody write into the store, which nobody notices before its time-outs."""
    if product.on_lambda:
        os.kill(product.stand_in, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(product.stand_in, signal.SIGCONT)
        return
    with sqlite3.connect(product.state / "ledger.db", isolation_level=None) as ledger:
        ledger.execute("BEGIN IMMEDIATE")
        yield
        ledger.execute("ROLLBACK")


def streamed(product: Product) -> bytes:
    """Return an answer during which the store went away, as the client has got it."""
    with raw_request(product, "messages", SLOW) as client:
        begun = hear(client, b"content_block_delta")
        with without_store(product):
            return begun + hear(client, END)


def unstored(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log so far that say so."""
    text = path.read_text() if path.exists() else ""
    found = (line for line in text.rpartition("\n")[0].splitlines() if line.startswith("{"))
    return [line for line in map(json.loads, found) if line.get("stored") is False]


def the_record(product: Product) -> dict[str, Any]:
    (record,) = interceptions(product)
    return record


def test_row_62_on_one_machine_the_record_is_spilled_and_the_next_tick_stores_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "run", AIGW_RELOAD_INTERVAL="1s", **WAITING) as product:
        answer = streamed(product)
        assert b"message_stop" in answer
        eventually(lambda: the_record(product)["outcome"])
        record = the_record(product)
        assert record["outcome"] == "completed"
        assert record["token_usages"][0]["output_tokens"] > 0
        spilled = product.state / "spill.ndjson"
        eventually(lambda: interceptions(product) and not spilled.exists())
        log = product.state / "records" / "gateway.ndjson"
        assert {line["interception_id"] for line in unstored(log)} == {record["id"]}
        counts = json.loads(product.aigw("import-log", str(log), "--json"))
        assert (counts["present"], counts["imported"]) == (1, 0)


def test_row_62_a_spilled_record_outlives_everything_that_knew_of_it(tmp_path: Path) -> None:
    with running(tmp_path, "run", **WAITING) as product:
        streamed(product)
        spilled = product.state / "spill.ndjson"
        eventually(lambda: interceptions(product) and spilled.exists())
        assert stat.S_IMODE(spilled.stat().st_mode) == 0o600
        os.kill(product.child("control"), signal.SIGKILL)
        assert product.process.wait(30) == 1
    with running(tmp_path, "run") as product:
        assert eventually(lambda: the_record(product)["outcome"]) == "completed"
        eventually(lambda: interceptions(product) and not spilled.exists())


@pytest.mark.ministack
def test_row_62_a_functions_log_is_enough_to_store_the_record(tmp_path: Path) -> None:
    needs_stand_in()
    with running(tmp_path, "run-lambda", **WAITING) as product:
        assert b"message_stop" in streamed(product)
        log = product.state / "logs" / "gateway.log"
        eventually(lambda: interceptions(product) and "record" in (unstored(log) or [{}])[-1])
        assert the_record(product)["outcome"] is None
        counts = json.loads(product.aigw("import-log", str(log), "--json"))
        assert (counts["imported"], counts["invalid"]) == (1, 0)
        record = the_record(product)
        assert record["outcome"] == "completed"
        assert record["token_usages"][0]["output_tokens"] > 0
        again = json.loads(product.aigw("import-log", str(log), "--json"))
        assert (again["imported"], again["present"]) == (0, 1)


def test_row_63_a_record_of_a_gateway_that_was_killed_is_given_up_in_time(tmp_path: Path) -> None:
    with running(tmp_path) as product, raw_request(product, "messages", "stall;at=4") as client:
        hear(client, b"content_block_start")
        os.kill(product.child("gateway"), signal.SIGKILL)
        assert product.process.wait(30) == 1

    async def swept() -> tuple[int, int, str | None, object]:
        store = SqliteStore(product.state / "ledger.db")
        await store.start()
        now = SystemClock().now()
        (opened,) = await store.orphans(now, 9)
        early = await sweep(store, opened.started_at + timedelta(minutes=20))
        late = await sweep(store, opened.started_at + timedelta(minutes=20, seconds=1))
        row = await store.interception(opened.id, Reach(None), now)
        differing = await disagreement(store, now)
        await store.stop()
        return early, late, row.closed.outcome if row and row.closed else None, differing

    assert asyncio.run(swept()) == (0, 1, "abandoned", {})
