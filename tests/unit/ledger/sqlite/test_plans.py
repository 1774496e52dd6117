"""Every statement of the store goes through an index: no table is read from end to end."""

import re
import sqlite3
from contextlib import suppress
from dataclasses import fields, replace

import pytest

from aigateway.errors import CursorInvalid
from aigateway.interception import Parents
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import ParentQuery
from aigateway.steps import steps_of_closing
from tests.builders import a_closed, a_tool, a_usage, a_user, an_opened, at

SMALL = {"counter", "user", "key", "provider", "snapshot"}
"""Tables that are read whole, because all of them is what was asked for."""
TABLE_SCAN = re.compile(r"SCAN (TABLE )?\w+( AS \w+)?")
FILTERS = {
    "initiator_id": "u-alice",
    "provider": "anthropic",
    "provider_name": "anthropic",
    "model": "claude-sonnet-4-5",
    "client": "codex",
    "session_id": "session-1",
    "started_after": at(0),
    "started_before": at(9000),
}


async def traced(store: SqliteStore) -> list[str]:
    statements: list[str] = []
    await store._database.read(lambda c: c.set_trace_callback(statements.append))
    return statements


def offences(beside: sqlite3.Connection, statements: list[str]) -> list[tuple[str, str]]:
    """Return the steps of query plans that read a table without an index, or sort."""
    found = []
    for statement in statements:
        if statement.split()[0] not in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            continue
        for *_, step in beside.execute(f"EXPLAIN QUERY PLAN {statement}"):
            is_sort = "TEMP B-TREE FOR ORDER BY" in step
            is_small = any(f"FROM {table} " in statement for table in SMALL)
            if (TABLE_SCAN.fullmatch(step) or is_sort) and not is_small:
                found.append((step, statement))
    return found


def test_a_scan_and_a_sort_would_be_found(beside: sqlite3.Connection) -> None:
    for statement in (
        "SELECT * FROM interception WHERE user_agent = 'x'",
        "SELECT * FROM session s ORDER BY last_prompt",
        "DELETE FROM payload WHERE content = 'x'",
    ):
        assert offences(beside, [statement])


def test_every_filter_is_tried() -> None:
    assert set(FILTERS) == {field.name for field in fields(Filter)}


@pytest.mark.parametrize("names", [(), *((name,) for name in FILTERS), tuple(FILTERS)])
async def test_lists_go_by_an_index_whatever_the_filter(
    store: SqliteStore, beside: sqlite3.Connection, names: tuple[str, ...]
) -> None:
    for number in range(6):
        opened = an_opened(number, session="session-1" if number % 2 else None, client="Codex")
        await store.open(opened)
        await store.close(opened, a_closed(opened, a_usage()), ())
    asked = Filter(**{name: FILTERS[name] for name in names})  # type: ignore[arg-type]
    statements = await traced(store)
    for reach in (Reach(None), Reach("u-alice")):
        for listed in (store.sessions, store.interceptions):
            window = Window(1, at(100), inflight=True)
            page = await listed(asked, reach, window)
            assert page.rows
            if page.next_cursor is not None:
                await listed(asked, reach, replace(window, cursor=page.next_cursor))
            await listed(asked, reach, replace(window, offset=1))
            with suppress(CursorInvalid):
                await listed(asked, reach, replace(window, after="session-1"))
    assert len(statements) > 10
    assert offences(beside, statements) == []


async def test_writes_and_look_ups_go_by_an_index(
    store: SqliteStore, beside: sqlite3.Connection
) -> None:
    statements = await traced(store)
    opened = an_opened()
    closed = a_closed(opened, a_usage(), a_tool(), provider_response_id="msg_1")
    await store.open(opened)
    await store.open(an_opened(5))
    await store.close(opened, closed, steps_of_closing(opened, closed))
    await store.parents(ParentQuery("u-alice", "session-1", None, ("x", "y"), "msg_1"))
    await store.orphans(at(100), 10)
    await store.unparented(10)
    lost = an_opened(6)
    await store.open(lost)
    await store.close(lost, a_closed(lost, parents_unknown=True), ())
    await store.repair_parent(lost, Parents(opened.id, opened.id))
    (group,) = await store.session("session-1", Reach(None), at(1))
    await store.session(opened.id, Reach("u-alice"), at(1))
    await store.filled(group)
    await store.interception(opened.id, Reach(None), at(1))
    await store.purge(at(90 * 86_400), 10)
    await store.add_user(a_user())
    await store.user("alice")
    await store.key("0" * 16)
    await store.keys("u-alice")
    await store.names("models", Reach("u-alice"), Window(1, at(1)), "")
    assert len(statements) > 30
    assert offences(beside, statements) == []
