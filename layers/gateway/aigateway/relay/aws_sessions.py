"""The AWS credentials that sign a provider's requests, and each caller's session of a role."""

import asyncio
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, final

from aigateway.aws import client, own_credentials
from aigateway.clock import Clock
from aigateway.errors import CredentialsUnavailable, SecretUnavailable
from aigateway.pool.bedrock import BedrockSettings
from aigateway.pool.providers import Provider, SecretRef
from aigateway.pool.secrets import Secrets
from aigateway.wire.sigv4 import AwsCredentials

REMEMBERED = 1_000
EARLY = timedelta(minutes=5)
"""A session is renewed so long before its end."""

PAUSE = timedelta(seconds=5)
"""After a refusal STS is asked no sooner."""

ATTEMPTS = 2
LONG_AGO = datetime.min.replace(tzinfo=UTC)
T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class AwsSession:
    """Credentials of an assumed role, good until ``expires_at``."""

    credentials: AwsCredentials
    expires_at: datetime


@final
@dataclass(frozen=True, slots=True)
class Assumption:
    """What AssumeRole is asked for; ``base`` asks, or the process's own credentials do."""

    region: str
    role_arn: str
    external_id: str | None
    session_name: str
    base: AwsCredentials | None


class Aws(Protocol):
    """What AWS itself gives. Raises ``CredentialsUnavailable``."""

    async def own(self) -> AwsCredentials:
        """Return the process's own credentials."""

    async def assume(self, wanted: Assumption) -> AwsSession: ...


@final
class Account:
    """The account of this process, asked off the event loop."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._chain: Any = None
        self._clients: dict[tuple[str, AwsCredentials | None], Any] = {}

    async def own(self) -> AwsCredentials:
        return await asyncio.to_thread(_asked, self._own)

    async def assume(self, wanted: Assumption) -> AwsSession:
        return await asyncio.to_thread(_asked, lambda: self._assume(wanted))

    def _own(self) -> AwsCredentials:
        with self._making:
            self._chain = self._chain or own_credentials()
        if self._chain is None:
            raise CredentialsUnavailable("this process has no AWS credentials")
        frozen = self._chain.get_frozen_credentials()
        return AwsCredentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _assume(self, wanted: Assumption) -> AwsSession:
        given = {"RoleArn": wanted.role_arn, "RoleSessionName": wanted.session_name}
        if wanted.external_id is not None:
            given["ExternalId"] = wanted.external_id
        found = self._sts(wanted.region, wanted.base).assume_role(**given)["Credentials"]
        credentials = AwsCredentials(
            found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]
        )
        return AwsSession(credentials, found["Expiration"])

    def _sts(self, region: str, base: AwsCredentials | None) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
        keys = None if base is None else (base.access_key, base.secret_key, base.session_token)
        with self._making:
            made = self._clients.get((region, base))
            if made is None:
                made = client("sts", attempts=ATTEMPTS, region=region, keys=keys)
                self._clients[region, base] = made
        return made


def _asked(ask: Callable[[], T]) -> T:
    """Ask, and say of a failure no more than its code."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - dear to import
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - likewise

    try:
        return ask()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
    except (BotoCoreError, ResponseParserError, LookupError) as error:
        code = type(error).__name__
    # Outside of the clauses: what the library's exception says may hold what was sent.
    raise CredentialsUnavailable(f"AWS gives no credentials: {code}")


@final
class _Known:
    """One caller's session, whose turn it is to renew it, and why that failed."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.session: AwsSession | None = None
        self.fault: CredentialsUnavailable | None = None
        self.asked_at = LONG_AGO

    def lasts(self, until: datetime) -> bool:
        return self.session is not None and until < self.session.expires_at


@final
class AwsSessions:
    """Gives credentials; sessions of a role are kept per caller, those used last.

    A session that cannot be renewed serves to its end.
    """

    def __init__(self, secrets: Secrets, clock: Clock, aws: Aws) -> None:
        self._secrets = secrets
        self._clock = clock
        self._aws = aws
        self._known: OrderedDict[tuple[str, str, BedrockSettings], _Known] = OrderedDict()

    async def credentials(
        self, provider: Provider, settings: BedrockSettings, session_name: str
    ) -> AwsCredentials:
        """Return credentials that are good now. Raises ``CredentialsUnavailable``."""
        keys = provider.aws_keys
        base = await self._pair(keys) if keys is not None else None
        if settings.role_arn is None:
            return base or await self._aws.own()
        known = self._remembered((provider.name, session_name, settings))
        if not known.lasts(self._clock.now() + EARLY):
            await self._renew(
                known,
                Assumption(
                    settings.region, settings.role_arn, settings.external_id, session_name, base
                ),
            )
        if known.session is None or not known.lasts(self._clock.now()):
            raise known.fault or CredentialsUnavailable("the session of the role has expired")
        return known.session.credentials

    def forget(self, provider: str, session_name: str) -> bool:
        """Drop sessions that AWS does not take any more; whether there were any."""
        stale = [key for key in self._known if key[:2] == (provider, session_name)]
        for key in stale:
            del self._known[key]
        return bool(stale)

    def _remembered(self, key: tuple[str, str, BedrockSettings]) -> _Known:
        known = self._known.setdefault(key, _Known())
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known

    async def _renew(self, known: _Known, wanted: Assumption) -> None:
        """Ask for a session, unless another request did so meanwhile."""
        async with known.turn:
            now = self._clock.now()
            if known.lasts(now + EARLY) or now - known.asked_at < PAUSE:
                return
            try:
                known.session = await self._aws.assume(wanted)
            except CredentialsUnavailable as fault:
                known.fault, known.asked_at = fault, now

    async def _pair(self, keys: SecretRef) -> AwsCredentials:
        try:
            pair = json.loads(await self._secrets.key(keys))
            return AwsCredentials(str(pair["access_key"]), str(pair["access_key_secret"]))
        except SecretUnavailable as fault:
            raise CredentialsUnavailable(str(fault)) from fault
        except (ValueError, LookupError, TypeError):
            pass
        raise CredentialsUnavailable(f"the AWS keys of provider {keys.provider} are no pair")
