"""What a store promises about keys, providers and the snapshot."""

import asyncio
from dataclasses import replace

import pytest

from aigateway.caller.access import Rule
from aigateway.caller.people import Key
from aigateway.errors import Conflict
from aigateway.ledger.store import AccessRules, AuditEntry, Published, ReloadState, Store
from aigateway.pool.providers import ProviderRow
from tests.builders import a_key, a_user, at


async def test_a_key_is_found_with_its_user(store: Store) -> None:
    user = replace(
        a_user(),
        name="Alice",
        email="alice@example.com",
        groups=("dev", "ops"),
        iam_principals=("arn:aws:iam::123456789012:role/dev",),
    )
    await store.add_user(user)
    key = a_key(user)
    await store.put_key(key)
    assert await store.key(key.id) == (key, user)
    assert await store.key("0" * 16) is None


async def test_keys_that_open_nothing_are_found_as_well(store: Store) -> None:
    user = a_user()
    await store.add_user(user)
    key = replace(a_key(user), revoked_at=at(1), expires_at=None)
    await store.put_key(key)
    for status in ("suspended", "deleted"):
        changed = replace(user, status=status)
        await store.change_user(user, changed)
        assert await store.key(key.id) == (key, changed)
        user = changed


async def test_keys_are_listed_oldest_first(store: Store) -> None:
    users = [a_user("alice"), a_user("bob")]
    keys: list[Key] = []
    for number, user in enumerate((*users, users[0])):
        if not keys or user not in users[:1]:
            await store.add_user(user)
        keys.append(a_key(user, 10 - number))
        await store.put_key(keys[-1])
    assert await store.keys() == (keys[2], keys[1], keys[0])
    assert await store.keys("u-alice") == (keys[2], keys[0])
    assert await store.keys("u-nobody") == ()


async def test_a_changed_key_replaces_the_one_before(store: Store) -> None:
    user = a_user()
    await store.add_user(user)
    key = a_key(user)
    await store.put_key(key)
    await store.put_key(replace(key, revoked_at=at(5)))
    assert await store.keys() == (replace(key, revoked_at=at(5)),)


async def test_the_last_use_of_a_key_is_noted(store: Store) -> None:
    user = a_user()
    await store.add_user(user)
    key = a_key(user)
    await store.put_key(key)
    await store.key_used(key.id, at(60))
    assert await store.keys() == (replace(key, last_used_at=at(60)),)


async def test_the_use_of_an_unknown_key_makes_no_key(store: Store) -> None:
    await store.key_used("0" * 16, at(60))
    assert await store.keys() == ()
    assert await store.key("0" * 16) is None


async def test_a_provider_row_changes_only_from_the_version_that_was_read(store: Store) -> None:
    first = ProviderRow("openai", {"type": "openai", "keys": [{"id": "1"}], "enabled": True}, 1)
    second = ProviderRow("openai", {"type": "openai", "enabled": False}, 2)
    await store.put_provider(first, None)
    assert await store.provider_rows() == (first,)
    for row, previous in ((second, None), (second, 7)):
        with pytest.raises(Conflict):
            await store.put_provider(row, previous)
    await store.put_provider(second, 1)
    assert await store.provider_rows() == (second,)


async def test_a_row_that_is_not_there_cannot_be_changed(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.put_provider(ProviderRow("openai", {}, 2), 1)
    assert await store.provider_rows() == ()


async def test_provider_rows_come_by_name(store: Store) -> None:
    rows = [ProviderRow(name, {"n": name}, 1) for name in ("b", "c", "a")]
    for row in rows:
        await store.put_provider(row, None)
    assert [row.name for row in await store.provider_rows()] == ["a", "b", "c"]


RULES = (
    Rule("alice", None, ("anthropic", "open*"), ("claude-*",)),
    Rule(None, "Gäste", (), ()),
)


async def test_access_rules_change_only_from_the_version_that_was_read(store: Store) -> None:
    assert await store.access_rules() == AccessRules(0, ())
    with pytest.raises(Conflict):
        await store.put_access_rules(RULES, 1)
    assert await store.access_rules() == AccessRules(0, ())
    await store.put_access_rules(RULES, 0)
    assert await store.access_rules() == AccessRules(1, RULES)
    for previous in (0, 2):
        with pytest.raises(Conflict):
            await store.put_access_rules((), previous)
    assert await store.access_rules() == AccessRules(1, RULES)
    await store.put_access_rules((), 1)
    assert await store.access_rules() == AccessRules(2, ())


async def test_as_many_access_rules_as_there_may_be_are_stored(store: Store) -> None:
    rules = tuple(Rule(f"user-{number}", None, ("x" * 256,), ("y" * 200,)) for number in range(500))
    await store.put_access_rules(rules, 0)
    assert (await store.access_rules()).rules == rules


async def test_of_two_who_change_the_access_rules_at_once_one_is_told(store: Store) -> None:
    puts = (store.put_access_rules((rule,), 0) for rule in RULES)
    ends = await asyncio.gather(*puts, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Conflict", "NoneType"]
    assert (await store.access_rules()).version == 1


async def test_a_snapshot_is_published_once_per_version(store: Store) -> None:
    assert await store.published() is None
    first = Published(1, "d1", b'{"providers": []}')
    second = Published(2, "d2", bytes(range(256)) * 4000)
    await store.publish(first, None)
    assert await store.published() == first
    for previous in (None, 2):
        with pytest.raises(Conflict):
            await store.publish(second, previous)
    assert await store.published() == first
    await store.publish(second, 1)
    assert await store.published() == second


async def test_reloads_are_noted_before_and_after_a_snapshot(store: Store) -> None:
    assert await store.reload_state() == ReloadState(0, "", None, None)
    await store.note_attempt(at(1))
    assert await store.reload_state() == ReloadState(0, "", at(1), None)
    assert await store.published() is None
    await store.publish(Published(1, "d1", b"{}"), None)
    await store.note_success(at(1))
    await store.note_attempt(at(3))
    assert await store.reload_state() == ReloadState(1, "d1", at(3), at(1))


async def test_the_times_of_reloads_never_go_back(store: Store) -> None:
    await store.note_attempt(at(5))
    await store.note_success(at(4))
    await store.note_attempt(at(2))
    await store.note_success(at(3))
    assert await store.reload_state() == ReloadState(0, "", at(5), at(4))
    await store.note_attempt(at(5))
    await store.note_success(at(5))
    assert await store.reload_state() == ReloadState(0, "", at(5), at(5))


async def test_a_deleted_provider_keeps_its_row_apart_from_the_others(store: Store) -> None:
    kept, gone = (ProviderRow(name, {"type": "openai"}, 1) for name in ("kept", "gone"))
    for row in (kept, gone):
        await store.put_provider(row, None)
    deleted = ProviderRow("gone", {"deleted_at": "2026-11-24T12:00:00Z"}, 2)
    await store.put_provider(deleted, 1)
    assert await store.provider_rows() == (kept,)
    assert await store.provider_rows(deleted=True) == (deleted, kept)


async def test_who_changed_a_provider_is_kept_if_it_was_changed_and_only_then(
    store: Store,
) -> None:
    first, second = (ProviderRow("openai", {"n": n}, n) for n in (1, 2))
    entries = [AuditEntry(str(n), at(n), "u-alice", "x", "openai", {"n": n}) for n in range(3)]
    await store.put_provider(first, None, entries[0])
    with pytest.raises(Conflict):
        await store.put_provider(first, None, entries[1])
    with pytest.raises(Conflict):
        await store.put_provider(second, 7, entries[1])
    await store.put_provider(second, 1, entries[2])
    assert await store.provider_rows() == (second,)
    assert await store.audited(at(0), at(9)) == (entries[0], entries[2])
