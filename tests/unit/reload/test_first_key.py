"""The first admin and its key."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from aigateway.caller.identity import caller_of
from aigateway.caller.keys import key_id_of, new_secret
from aigateway.caller.people import User
from aigateway.errors import Conflict, InvalidKey, LedgerFault, SecretUnavailable
from aigateway.ledger.sqlite import SqliteStore
from aigateway.reload.first_key import FirstKey
from tests.breaking import Breaking
from tests.builders import T0, a_user, at
from tests.clocks import HeldClock
from tests.vaults import HeldVault

CLOCK = HeldClock()
NAME = "admin-key"


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None)
    await made.start()
    yield made
    await made.stop()


def an_empty_vault() -> HeldVault:
    return HeldVault(**{NAME: None})


async def role_of(store: SqliteStore, secret: str | None) -> str:
    assert secret is not None
    return caller_of(secret, await store.key(key_id_of(secret) or ""), T0).role


async def test_the_first_run_makes_key_user_and_secret_and_later_ones_nothing(
    store: SqliteStore,
) -> None:
    vault = an_empty_vault()
    first = FirstKey(NAME, vault)
    assert await first.make(store, CLOCK) == 1
    secret = vault.given[NAME]
    assert await role_of(store, secret) == "admin"
    (key,), (user,) = await store.keys(), await store.users()
    assert (user.username, key.user_id, key.expires_at) == ("admin", user.id, None)
    vault.asked.clear()
    assert await first.make(store, CLOCK) == await FirstKey(NAME, vault).make(store, CLOCK) == 0
    assert (vault.asked, vault.given[NAME]) == ([], secret)


async def test_a_key_that_lies_in_the_secret_is_used(store: SqliteStore) -> None:
    secret = new_secret()
    vault = HeldVault(**{NAME: secret + "\n"})
    assert await FirstKey(NAME, vault).make(store, CLOCK) == 1
    assert await role_of(store, secret) == "admin"
    assert vault.asked == [f"read {NAME}"]


@pytest.mark.parametrize("text", ["", "{}", "aigw_0123456789abcdef_short"])
async def test_a_secret_that_holds_no_key_gets_one(store: SqliteStore, text: str) -> None:
    vault = HeldVault(**{NAME: text})
    await FirstKey(NAME, vault).make(store, CLOCK)
    assert await role_of(store, vault.given[NAME]) == "admin"


async def test_a_secret_that_takes_no_key_is_an_error_that_shows_nothing(
    store: SqliteStore,
) -> None:
    class Stubborn:
        read, put = HeldVault(**{NAME: "planted"}).read, None

        async def replace(self, *_: object) -> bool:
            return False

    with pytest.raises(SecretUnavailable) as raised:
        await FirstKey(NAME, Stubborn()).make(store, CLOCK)  # type: ignore[arg-type]  # the verbs in use
    assert str(raised.value) == f"secret {NAME}: expected a gateway key"
    assert await store.users() == ()
    assert await store.keys() == ()


@pytest.mark.parametrize(
    "user", [replace(a_user("alice"), role="admin"), a_user("admin")], ids=["role", "name"]
)
async def test_no_key_is_made_where_there_is_an_admin_or_a_user_of_that_name(
    store: SqliteStore, user: User
) -> None:
    await store.add_user(user)
    vault = an_empty_vault()
    assert await FirstKey(NAME, vault).make(store, CLOCK) == 0
    assert (vault.asked, await store.keys()) == ([], ())


async def test_a_member_is_no_admin(store: SqliteStore) -> None:
    await store.add_user(a_user("alice"))
    assert await FirstKey(NAME, an_empty_vault()).make(store, CLOCK) == 1


@pytest.mark.parametrize("part", ["read", "replace", "key", "put_key", "add_user"])
async def test_a_run_that_ends_anywhere_is_finished_by_the_next(
    store: SqliteStore, part: str
) -> None:
    vault = an_empty_vault()
    vault.fault, vault.failing = SecretUnavailable("broken by the test"), {part}
    with pytest.raises((LedgerFault, SecretUnavailable)):
        await FirstKey(NAME, vault).make(Breaking(store, part), CLOCK)
    assert await store.users() == ()
    vault.fault = None
    assert await FirstKey(NAME, vault).make(store, CLOCK) == 1
    assert await role_of(store, vault.given[NAME]) == "admin"
    assert len(await store.keys()) == 1


async def test_a_failed_run_is_tried_again_by_the_same_process(store: SqliteStore) -> None:
    vault = an_empty_vault()
    first = FirstKey(NAME, vault)
    with pytest.raises(LedgerFault):
        await first.make(Breaking(store, "add_user"), CLOCK)
    assert await first.make(store, CLOCK) == 1
    assert await role_of(store, vault.given[NAME]) == "admin"


@pytest.mark.parametrize("runs", [2, 5])
async def test_runs_at_the_same_time_agree_on_one_key(store: SqliteStore, runs: int) -> None:
    vault = an_empty_vault()
    made = await asyncio.gather(*(FirstKey(NAME, vault).make(store, CLOCK) for _ in range(runs)))
    assert sorted(made) == [0] * (runs - 1) + [1]
    assert await role_of(store, vault.given[NAME]) == "admin"
    assert len(await store.keys()) == len(await store.users()) == 1


async def test_a_deleted_admin_and_its_revoked_key_stay_so(store: SqliteStore) -> None:
    vault = an_empty_vault()
    await FirstKey(NAME, vault).make(store, CLOCK)
    (key,), (user,) = await store.keys(), await store.users()
    await store.put_key(replace(key, revoked_at=at(1)))
    await store.change_user(user, replace(user, status="deleted"))
    assert await FirstKey(NAME, vault).make(store, CLOCK) == 0
    with pytest.raises(InvalidKey):
        await role_of(store, vault.given[NAME])
    assert await store.users() == ()


async def test_a_name_that_is_taken_in_between_is_left_to_its_owner(store: SqliteStore) -> None:
    taken = Breaking(store, "add_user", Conflict("taken by the test"))
    assert await FirstKey(NAME, an_empty_vault()).make(taken, CLOCK) == 0
