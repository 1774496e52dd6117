"""Whose AWS credentials sign, and when a session of a role is asked for again."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, final

import pytest

from aigateway.errors import CredentialsUnavailable, SecretUnavailable
from aigateway.pool.providers import Provider, SecretRef, provider_from
from aigateway.relay.aws_sessions import REMEMBERED, Assumption, AwsSession, AwsSessions
from aigateway.wire.sigv4 import AwsCredentials
from tests.builders import T0
from tests.clocks import HeldClock

ROLE = "arn:aws:iam::000000000000:role/bedrock"
PAIR = AwsCredentials("AKIAPLANTED", "planted-secret")
OWN = AwsCredentials("AKIAOWN", "own-secret", "own-token")
HOUR = timedelta(hours=1)


def provider(name: str = "p", **members: Any) -> Provider:  # noqa: ANN401 - members of the settings
    plain = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
    document = {"name": name, "type": "bedrock", "settings": plain | members}
    return provider_from(document, allow_byok=True, allowed=())


ASSUMED = provider(role_arn=ROLE, external_id="ext-1")


@final
class Secrets:
    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    async def key(self, ref: SecretRef) -> str:
        if ref.key_id not in self.texts:
            raise SecretUnavailable(f"the key of provider {ref.provider} cannot be read")
        return self.texts[ref.key_id]


@final
class Aws:
    """Numbers the sessions that it gives. ``down``: it gives none."""

    def __init__(self, clock: HeldClock) -> None:
        self.clock = clock
        self.asked: list[Assumption] = []
        self.down = False
        self.lasting = HOUR

    async def own(self) -> AwsCredentials:
        return OWN

    async def assume(self, wanted: Assumption) -> AwsSession:
        self.asked.append(wanted)
        await asyncio.sleep(0)
        if self.down:
            raise CredentialsUnavailable("AWS gives no credentials: AccessDenied")
        made = AwsCredentials(f"ASIA{len(self.asked)}", "s", "t")
        return AwsSession(made, self.clock.now() + self.lasting)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def aws(clock: HeldClock) -> Aws:
    return Aws(clock)


@pytest.fixture
def sessions(clock: HeldClock, aws: Aws) -> AwsSessions:
    pair = json.dumps({"access_key": PAIR.access_key, "access_key_secret": PAIR.secret_key})
    texts = {"k1": pair, "no": "planted", "list": "[]", "half": '{"access_key":"planted"}'}
    return AwsSessions(Secrets(texts), clock, aws)


async def asked(sessions: AwsSessions, by: Provider, session_name: str = "alice") -> AwsCredentials:
    assert by.bedrock is not None
    return await sessions.credentials(by, by.bedrock, session_name)


def reference(key_id: str) -> dict[str, str]:
    return {"id": key_id, "masked": "AK...ED"}


async def test_without_a_pair_the_process_signs_with_its_own(sessions: AwsSessions) -> None:
    assert await asked(sessions, provider()) == OWN


async def test_a_pair_of_keys_signs_by_itself(sessions: AwsSessions) -> None:
    assert await asked(sessions, provider(credentials_ref=reference("k1"))) == PAIR


@pytest.mark.parametrize("key_id", ["missing", "no", "list", "half"])
async def test_i10_a_pair_that_cannot_be_read_is_a_fault_without_its_text(
    sessions: AwsSessions, key_id: str
) -> None:
    with pytest.raises(CredentialsUnavailable) as raised:
        await asked(sessions, provider(credentials_ref=reference(key_id)))
    assert "planted" not in str(raised.value)


async def test_a_role_is_assumed_for_each_caller_with_the_external_id(
    sessions: AwsSessions, aws: Aws
) -> None:
    with_pair = provider(role_arn=ROLE, credentials_ref=reference("k1"))
    first = await asked(sessions, ASSUMED)
    assert await asked(sessions, ASSUMED) == first
    assert await asked(sessions, ASSUMED, "bob") != first
    assert await asked(sessions, replace(ASSUMED, name="q")) != first
    await asked(sessions, with_pair)
    assert aws.asked == [
        Assumption("us-east-1", ROLE, "ext-1", "alice", None),
        Assumption("us-east-1", ROLE, "ext-1", "bob", None),
        Assumption("us-east-1", ROLE, "ext-1", "alice", None),
        Assumption("us-east-1", ROLE, None, "alice", PAIR),
    ]


async def test_a_session_is_renewed_five_minutes_before_its_end(
    sessions: AwsSessions, aws: Aws, clock: HeldClock
) -> None:
    first = await asked(sessions, ASSUMED)
    clock.advance(3600 - 301)
    assert await asked(sessions, ASSUMED) == first
    clock.advance(1)
    assert await asked(sessions, ASSUMED) != first
    assert len(aws.asked) == 2


async def test_a_session_that_cannot_be_renewed_serves_to_its_end(
    sessions: AwsSessions, aws: Aws, clock: HeldClock
) -> None:
    first = await asked(sessions, ASSUMED)
    aws.down = True
    clock.advance(3600 - 1)
    assert await asked(sessions, ASSUMED) == first
    clock.advance(1)
    with pytest.raises(CredentialsUnavailable, match="AccessDenied"):
        await asked(sessions, ASSUMED)


async def test_after_a_refusal_nothing_is_asked_for_five_seconds(
    sessions: AwsSessions, aws: Aws, clock: HeldClock
) -> None:
    aws.down = True
    for _ in range(3):
        with pytest.raises(CredentialsUnavailable, match="AccessDenied"):
            await asked(sessions, ASSUMED)
    assert len(aws.asked) == 1
    aws.down = False
    clock.advance(5)
    assert (await asked(sessions, ASSUMED)).access_key == "ASIA2"


async def test_requests_at_once_ask_for_one_session(sessions: AwsSessions, aws: Aws) -> None:
    wanted = (asked(sessions, ASSUMED) for _ in range(20))
    assert len({each.access_key for each in await asyncio.gather(*wanted)}) == 1
    assert len(aws.asked) == 1


async def test_a_session_that_was_over_when_it_came_is_a_fault(
    sessions: AwsSessions, aws: Aws
) -> None:
    aws.lasting = timedelta()
    with pytest.raises(CredentialsUnavailable, match="expired"):
        await asked(sessions, ASSUMED)


async def test_what_is_forgotten_is_asked_for_again(sessions: AwsSessions, aws: Aws) -> None:
    for name in ("alice", "bob"):
        await asked(sessions, ASSUMED, name)
    sessions.forget("p", "alice")
    for name in ("alice", "bob"):
        await asked(sessions, ASSUMED, name)
    assert [wanted.session_name for wanted in aws.asked] == ["alice", "bob", "alice"]


async def test_i12_the_sessions_used_last_are_kept(sessions: AwsSessions, aws: Aws) -> None:
    for number in range(REMEMBERED):
        await asked(sessions, ASSUMED, f"user{number}")
    await asked(sessions, ASSUMED, "user0")
    await asked(sessions, ASSUMED, "one-more")
    await asked(sessions, ASSUMED, "user0")
    assert len(aws.asked) == REMEMBERED + 1
    await asked(sessions, ASSUMED, "user1")
    assert len(aws.asked) == REMEMBERED + 2


def test_i10_a_session_does_not_show_its_secrets() -> None:
    made = AwsSession(AwsCredentials("ASIA1", "planted-secret", "planted-token"), T0)
    assert "planted" not in repr(made)
