"""What a store promises about the entries that say who changed what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from aigateway.ledger.store import AuditEntry, Store
from tests.builders import at

CHANGES = {"enabled": [True, False], "api_keys": {"added": [{"id": "1", "masked": "sk...yz"}]}}


def an_entry(moment: datetime, target: str = "anthropic") -> AuditEntry:
    return AuditEntry(str(uuid4()), moment, "u-alice", "provider.changed", target, CHANGES)


async def test_entries_come_back_whole_and_oldest_first(store: Store) -> None:
    entries = [an_entry(at(seconds)) for seconds in (20.5, 0, 10)]
    for entry in entries:
        await store.audit(entry)
    assert await store.audited(at(0), at(60)) == (entries[1], entries[2], entries[0])


async def test_entries_are_found_from_the_first_time_on_and_before_the_second(
    store: Store,
) -> None:
    entries = [an_entry(at(seconds)) for seconds in (0, 1, 2)]
    for entry in entries:
        await store.audit(entry)
    assert await store.audited(at(0), at(2)) == tuple(entries[:2])
    assert await store.audited(at(0.0004), at(0.0006)) == ()
    assert await store.audited(at(2), at(0)) == ()


async def test_entries_are_found_across_the_turn_of_a_year(store: Store) -> None:
    turn = datetime(2027, 1, 1, tzinfo=UTC)
    entries = [an_entry(turn + timedelta(days=days)) for days in (-40, -1, 0, 40)]
    for entry in entries:
        await store.audit(entry)
    found = await store.audited(turn - timedelta(days=100), turn + timedelta(days=100))
    assert found == tuple(entries)


async def test_an_entry_that_is_sent_twice_is_there_once(store: Store) -> None:
    entry = an_entry(at(0))
    await store.audit(entry)
    await store.audit(entry)
    assert await store.audited(at(0), at(1)) == (entry,)


async def test_two_entries_of_one_moment_are_both_kept(store: Store) -> None:
    first = an_entry(at(0))
    second = replace(an_entry(at(0)), target="openai")
    for entry in (first, second):
        await store.audit(entry)
    assert {entry.target for entry in await store.audited(at(0), at(1))} == {"anthropic", "openai"}


async def test_a_purge_leaves_what_is_not_a_year_old(store: Store) -> None:
    entry = an_entry(at(0))
    await store.audit(entry)
    await store.purge(at(0) + timedelta(days=399), 100)
    assert await store.audited(at(0), at(1)) == (entry,)
