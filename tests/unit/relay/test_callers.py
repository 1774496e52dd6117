"""Authentication with a short memory."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from aigateway.caller.keys import key_from, new_secret
from aigateway.caller.people import Key, Role, User
from aigateway.caller.principals import Signer
from aigateway.errors import AuthUnavailable, InvalidKey, LedgerFault, NotAllowed
from aigateway.relay.asides import Asides
from aigateway.relay.callers import REMEMBERED, Callers
from tests.builders import T0, a_user
from tests.clocks import HeldClock


class Directory:
    """Holds keys, and notes what it is asked."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Key, User]] = {}
        self.asked: list[str] = []
        self.used: list[tuple[str, datetime]] = []
        self.signers: dict[str, User] = {}
        self.down = False

    async def principal(self, arn: str) -> User | None:
        self.asked.append(arn)
        if self.down:
            raise LedgerFault("down")
        return self.signers.get(arn)

    def add(self, role: Role = "member") -> str:
        secret, user = new_secret(), a_user(role=role)
        key = key_from(secret, user.id, "laptop", T0, T0 + timedelta(days=90))
        self.held[key.id] = (key, user)
        return secret

    async def key(self, key_id: str) -> tuple[Key, User] | None:
        self.asked.append(key_id)
        if self.down:
            raise LedgerFault("down")
        return self.held.get(key_id)

    async def key_used(self, key_id: str, at: datetime) -> None:
        self.used.append((key_id, at))


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def callers(directory: Directory, clock: HeldClock) -> Callers:
    return Callers(directory, clock, 60.0)  # type: ignore[arg-type]  # the two verbs that it needs


async def test_a_key_is_looked_up_once_a_minute(
    callers: Callers, directory: Directory, clock: HeldClock
) -> None:
    secret = directory.add()
    for seconds, looks in ((0, 1), (59, 1), (1, 2)):
        clock.advance(seconds)
        assert (await callers.caller(secret, Asides())).username == "alice"
        assert len(directory.asked) == looks


async def test_a_revoked_key_is_refused_after_a_minute_at_the_latest(
    callers: Callers, directory: Directory, clock: HeldClock
) -> None:
    secret = directory.add()
    await callers.caller(secret, Asides())
    ((key_id, (key, user)),) = directory.held.items()
    directory.held[key_id] = (replace(key, revoked_at=clock.now()), user)
    clock.advance(60)
    with pytest.raises(InvalidKey):
        await callers.caller(secret, Asides())


@pytest.mark.parametrize("seconds", [60, -1])
async def test_a_process_that_was_frozen_looks_again(
    callers: Callers, directory: Directory, clock: HeldClock, seconds: float
) -> None:
    secret = directory.add()
    await callers.caller(secret, Asides())
    clock.thaw_after(seconds)
    await callers.caller(secret, Asides())
    assert len(directory.asked) == 2


async def test_a_remembered_key_still_expires_in_time(
    callers: Callers, directory: Directory, clock: HeldClock
) -> None:
    secret = directory.add()
    clock.advance(90 * 86_400 - 1)
    await callers.caller(secret, Asides())
    clock.advance(1)
    with pytest.raises(InvalidKey):
        await callers.caller(secret, Asides())
    assert len(directory.asked) == 1


async def test_an_unknown_key_is_forgotten_after_five_seconds(
    callers: Callers, directory: Directory, clock: HeldClock
) -> None:
    secret = new_secret()
    for seconds, looks in ((0, 1), (4.9, 1), (0.1, 2)):
        clock.advance(seconds)
        with pytest.raises(InvalidKey):
            await callers.caller(secret, Asides())
        assert len(directory.asked) == looks


async def test_with_no_memory_every_request_is_checked(
    directory: Directory, clock: HeldClock
) -> None:
    callers = Callers(directory, clock, 0.0)  # type: ignore[arg-type]  # the two verbs that it needs
    secret = directory.add()
    for _ in range(3):
        await callers.caller(secret, Asides())
    assert len(directory.asked) == 3


async def test_a_right_id_with_a_wrong_secret_is_refused_also_when_remembered(
    callers: Callers, directory: Directory
) -> None:
    secret = directory.add()
    await callers.caller(secret, Asides())
    with pytest.raises(InvalidKey):
        await callers.caller(secret[:-2] + ("AA" if secret[-2:] != "AA" else "BB"), Asides())


@pytest.mark.parametrize("secret", ["", "sk-ant-x", "Bearer x"])
async def test_a_foreign_value_is_never_tried_against_the_key_store(
    callers: Callers, directory: Directory, secret: str
) -> None:
    with pytest.raises(InvalidKey):
        await callers.caller(secret, Asides())
    assert directory.asked == []


async def test_a_key_for_metrics_may_ask_no_provider(
    callers: Callers, directory: Directory
) -> None:
    with pytest.raises(NotAllowed):
        await callers.caller(directory.add("metrics"), Asides())


@pytest.mark.parametrize("role", ["admin", "auditor", "member"])
async def test_every_other_role_may(callers: Callers, directory: Directory, role: Role) -> None:
    assert (await callers.caller(directory.add(role), Asides())).role == role


async def test_a_store_that_is_down_is_no_wrong_key(
    callers: Callers, directory: Directory, clock: HeldClock
) -> None:
    secret = directory.add()
    directory.down = True
    with pytest.raises(AuthUnavailable):
        await callers.caller(secret, Asides())
    directory.down = False
    await callers.caller(secret, Asides())
    directory.down = True
    clock.advance(59)
    await callers.caller(secret, Asides())


async def test_the_last_use_is_noted_every_five_minutes_aside(
    callers: Callers, directory: Directory, clock: HeldClock
) -> None:
    secret = directory.add()
    for seconds, noted in ((0, 1), (299, 1), (1, 2)):
        clock.advance(seconds)
        asides = Asides()
        await callers.caller(secret, asides)
        await asides.join()
        assert len(directory.used) == noted


ROLE = "arn:aws:iam::123456789012:role/dev"
SIGNER = Signer(ROLE, "AROAEXAMPLE", "laptop")


async def test_a_signer_is_looked_up_once_a_minute_and_a_suspended_one_refused_by_then(
    callers: Callers, directory: Directory, clock: HeldClock
) -> None:
    user = directory.signers[ROLE] = replace(a_user(), iam_principals=(ROLE,))
    for seconds, looks in ((0, 1), (59, 1), (1, 2)):
        clock.advance(seconds)
        assert (await callers.signed(SIGNER)).initiator_id == user.id
        assert directory.asked == [ROLE] * looks
    directory.signers[ROLE] = replace(user, status="suspended")
    clock.advance(60)
    with pytest.raises(InvalidKey):
        await callers.signed(SIGNER)


async def test_a_signer_of_role_metrics_may_ask_no_provider(
    callers: Callers, directory: Directory
) -> None:
    directory.signers[ROLE] = replace(a_user(role="metrics"), iam_principals=(ROLE,))
    with pytest.raises(NotAllowed):
        await callers.signed(SIGNER)


async def test_a_store_that_is_down_is_no_unknown_signer(
    callers: Callers, directory: Directory
) -> None:
    directory.down = True
    with pytest.raises(AuthUnavailable):
        await callers.signed(SIGNER)


async def test_memory_is_bounded(callers: Callers) -> None:
    for number in range(REMEMBERED + 5):
        with pytest.raises(InvalidKey):
            await callers.caller(f"aigw_{number:016x}_{'A' * 43}", Asides())
    assert len(callers._keys.known) <= REMEMBERED
