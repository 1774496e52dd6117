"""What a store promises about users, and the AWS principals that they sign as."""

import asyncio
from dataclasses import replace

import pytest

from aigateway.caller.people import User, UserStatus
from aigateway.errors import Conflict
from aigateway.ledger.store import Store
from tests.builders import a_user

ROLE = "arn:aws:iam::123456789012:role/dev"
PERSON = "arn:aws:iam::123456789012:user/people/alice"


async def test_users_are_listed_and_found_by_id_and_name(store: Store) -> None:
    bob, alice = a_user("bob", "admin"), a_user("alice")
    await store.add_user(bob)
    await store.add_user(alice)
    assert await store.users() == (alice, bob)
    assert await store.user("u-bob") == await store.user("bob") == bob
    assert await store.user("carol") is None


async def test_a_deleted_user_is_neither_listed_nor_found(store: Store) -> None:
    user = a_user()
    await store.add_user(user)
    await store.change_user(user, replace(user, status="deleted"))
    assert await store.users() == ()
    assert await store.user("alice") is None
    assert await store.user("u-alice") is None


async def test_two_users_cannot_have_one_name_not_even_after_a_deletion(store: Store) -> None:
    first: User = a_user()
    await store.add_user(first)
    with pytest.raises(Conflict):
        await store.add_user(replace(a_user(), id="u-other"))
    assert await store.users() == (first,)
    await store.change_user(first, replace(first, status="deleted"))
    with pytest.raises(Conflict):
        await store.add_user(replace(a_user(), id="u-other"))
    assert await store.users() == ()


async def test_a_changed_user_replaces_the_one_before(store: Store) -> None:
    user = a_user()
    await store.add_user(user)
    changed = replace(
        user,
        role="auditor",
        status="suspended",
        name="Alice",
        email="alice@example.com",
        groups=("ops", "dev"),
        iam_principals=(ROLE,),
    )
    await store.change_user(user, changed)
    assert await store.users() == (changed,)
    await store.change_user(changed, user)
    assert await store.users() == (user,)


async def test_a_user_changes_only_from_what_was_read(store: Store) -> None:
    user = a_user()
    await store.add_user(user)
    for stale in (
        replace(user, role="admin"),
        replace(user, name="Alice"),
        replace(user, groups=("dev",)),
        replace(user, iam_principals=(ROLE,)),
    ):
        with pytest.raises(Conflict):
            await store.change_user(stale, replace(user, status="suspended"))
    with pytest.raises(Conflict):
        await store.change_user(replace(user, id="u-nobody"), replace(user, id="u-nobody"))
    assert await store.users() == (user,)


async def test_a_principal_finds_its_user_whatever_the_status(store: Store) -> None:
    user = replace(a_user(), iam_principals=(ROLE, PERSON))
    await store.add_user(user)
    assert await store.principal(ROLE) == await store.principal(PERSON) == user
    assert await store.principal(f"{ROLE}s") is None
    suspended = replace(user, status="suspended")
    await store.change_user(user, suspended)
    assert await store.principal(ROLE) == suspended


async def test_a_path_of_a_role_does_not_tell_it_apart(store: Store) -> None:
    user = replace(
        a_user(), iam_principals=("arn:aws:iam::123456789012:role/a/b/dev session_name=username",)
    )
    await store.add_user(user)
    assert await store.principal(ROLE) == user
    other = replace(a_user("bob"), iam_principals=("arn:aws:iam::123456789012:role/c/dev",))
    with pytest.raises(Conflict):
        await store.add_user(other)


async def test_a_principal_is_one_users_and_nothing_happens_where_it_is_taken(
    store: Store,
) -> None:
    alice, bob = replace(a_user(), iam_principals=(ROLE,)), a_user("bob")
    await store.add_user(alice)
    with pytest.raises(Conflict):
        await store.add_user(replace(bob, iam_principals=(PERSON, ROLE)))
    assert await store.user("bob") is None
    assert await store.principal(PERSON) is None
    await store.add_user(bob)
    with pytest.raises(Conflict):
        await store.change_user(bob, replace(bob, role="admin", iam_principals=(PERSON, ROLE)))
    assert await store.users() == (alice, bob)
    assert await store.principal(PERSON) is None


async def test_a_principal_that_was_given_up_may_be_taken(store: Store) -> None:
    alice, bob = replace(a_user(), iam_principals=(ROLE, PERSON)), a_user("bob")
    await store.add_user(alice)
    await store.add_user(bob)
    fewer = replace(alice, iam_principals=(PERSON,))
    await store.change_user(alice, fewer)
    assert await store.principal(ROLE) is None
    more = replace(bob, iam_principals=(ROLE,))
    await store.change_user(bob, more)
    assert await store.principal(ROLE) == more
    assert await store.principal(PERSON) == fewer


@pytest.mark.parametrize("status", ["suspended", "deleted", None])
async def test_a_change_that_relies_on_another_admin_finds_it_active(
    store: Store, status: UserStatus | None
) -> None:
    alice, bob = a_user(role="admin"), a_user("bob", "admin")
    await store.add_user(alice)
    await store.add_user(bob)
    left = replace(bob, status=status) if status else replace(bob, role="member")
    await store.change_user(bob, left)
    for other in ("u-bob", "u-nobody"):
        with pytest.raises(Conflict):
            await store.change_user(alice, replace(alice, role="member"), admin_left=other)
    assert await store.user("alice") == alice


async def test_two_admins_cannot_put_each_other_out(store: Store) -> None:
    alice, bob = a_user(role="admin"), a_user("bob", "admin")
    await store.add_user(alice)
    await store.add_user(bob)
    outcomes = await asyncio.gather(
        store.change_user(alice, replace(alice, role="member"), admin_left="u-bob"),
        store.change_user(bob, replace(bob, status="suspended"), admin_left="u-alice"),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} <= {type(None), Conflict}
    assert any(user.is_active_admin for user in await store.users())


async def test_requests_of_a_key_are_counted_by_the_second(store: Store) -> None:
    counts = await asyncio.gather(*(store.hit("0123456789abcdef", 1_795_521_600) for _ in range(5)))
    assert sorted(counts) == [1, 2, 3, 4, 5]
    assert await store.hit("fedcba9876543210", 1_795_521_600) == 1
    assert await store.hit("0123456789abcdef", 1_795_521_601) == 1
    assert await store.hit("0123456789abcdef", 1_795_521_601) == 2
    assert await store.hit("iam:AROAEXAMPLE", 1_795_521_601) == 1
