"""What the embedded store keeps, deletes, and survives."""

import sqlite3
from dataclasses import replace

import pytest

from aigateway.interception import Opened
from aigateway.ledger.listing import Reach
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import AUDIT_KEPT, AuditEntry
from tests.builders import RETENTION, a_closed, a_thought, a_tool, an_opened, at

ALL = Reach(None)
TABLES = ("interception", "payload", "pointer", "session", "combination")


async def closed(store: SqliteStore, opened: Opened) -> Opened:
    await store.open(opened)
    facts = (a_thought(), a_tool())
    await store.close(opened, a_closed(opened, *facts, provider_response_id="msg_1"), ())
    return opened


def sizes(beside: sqlite3.Connection) -> dict[str, int]:
    return {t: beside.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}  # noqa: S608 - constants


async def test_i15_every_row_of_a_record_carries_its_expiry(
    store: SqliteStore, beside: sqlite3.Connection
) -> None:
    opened = await closed(store, an_opened())
    assert opened.expires_at is not None
    expiry = round(opened.expires_at.timestamp()) * 1_000_000
    for table in ("interception", "payload", "pointer", "session"):
        found = beside.execute(f"SELECT DISTINCT expires_at FROM {table}").fetchall()  # noqa: S608 - constants
        assert found == [(expiry,)], table


async def test_purging_leaves_no_trace(store: SqliteStore, beside: sqlite3.Connection) -> None:
    for number in range(5):
        await closed(store, an_opened(number, session=f"s-{number}"))
    assert min(sizes(beside).values()) >= 5
    assert await store.purge(at(3600) + RETENTION, 100) == 10
    assert set(sizes(beside).values()) == {0}
    assert await store.purge(at(3600) + RETENTION, 100) == 0


async def test_purging_takes_no_more_than_was_said(
    store: SqliteStore, beside: sqlite3.Connection
) -> None:
    for number in range(5):
        await closed(store, an_opened(number, session=f"s-{number}"))
    counts = []
    while deleted := await store.purge(at(3600) + RETENTION, 3):
        counts.append(deleted)
    assert counts == [3, 3, 3, 1]
    assert set(sizes(beside).values()) == {0}


async def test_a_person_can_query_the_file(store: SqliteStore, beside: sqlite3.Connection) -> None:
    opened = await closed(store, an_opened())
    row = beside.execute(
        "SELECT initiator_username, model, outcome, json_extract(tokens, '$.input_tokens'),"
        " datetime(started_at / 1000000, 'unixepoch') FROM interception"
    ).fetchone()
    assert row == ("alice", opened.model, "completed", 0, "2026-11-24 12:00:00")


@pytest.mark.parametrize("content", [b"", b"\x02nothing", b"\x01broken"])
async def test_a_broken_text_hides_no_record(
    store: SqliteStore, beside: sqlite3.Connection, content: bytes
) -> None:
    opened = await closed(store, an_opened())
    beside.execute("UPDATE payload SET content = ?", (content,))
    found = await store.interception(opened.id, ALL, at(1))
    assert found is not None
    assert found.opened == replace(opened, prompt=None)
    assert found.closed is not None
    assert found.closed.outcome == "completed"
    assert found.closed.rows == ()
    in_flight = an_opened(5)
    await store.open(in_flight)
    beside.execute("UPDATE payload SET content = ?", (content,))
    assert await store.orphans(at(10), 10) == (replace(in_flight, prompt=None),)


async def test_who_changed_what_is_forgotten_after_400_days(
    store: SqliteStore, beside: sqlite3.Connection
) -> None:
    await store.audit(AuditEntry("1", at(0), "u-alice", "provider.added", "openai", {}))
    assert await store.purge(at(0) + AUDIT_KEPT - RETENTION, 100) == 0
    assert await store.purge(at(0) + AUDIT_KEPT, 100) == 1
    assert beside.execute("SELECT count(*) FROM audit").fetchone() == (0,)
