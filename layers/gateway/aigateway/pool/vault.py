"""Secret texts in AWS Secrets Manager, each by the name or the ARN of its secret."""

import asyncio
import hashlib
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol, final

from aigateway.aws import client
from aigateway.errors import (
    SecretStoreUnavailable,
    SecretUnavailable,
    ServiceFault,
    ServiceRefused,
)
from aigateway.wire.aws_json import AwsCalls, AwsService

SECRETS_MANAGER = AwsService("secretsmanager", "secretsmanager", "1.1")
ATTEMPTS = 2
OF_ONE_SECRET = frozenset(
    {
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidParameterException",
        "InvalidRequestException",
        "LimitExceededException",
        "ResourceExistsException",
        "ResourceNotFoundException",
    }
)
"""Refusals that say something of the secret that was asked for; after any other the service is
taken to answer nobody (API reference of Secrets Manager, read 2026-07)."""


@final
@dataclass(frozen=True, slots=True)
class Stored:
    """What a secret holds; ``version`` tells one text it held from another."""

    text: str = field(repr=False)
    version: str


class Vault(Protocol):
    """Secret texts by name.

    Everything raises ``SecretUnavailable``, which never holds a text, or of its kind
    ``SecretStoreUnavailable`` where it is not this secret's fault.
    """

    async def read(self, name: str) -> Stored | None:
        """Return what a secret holds; ``None`` if it is not there or was never given a text."""

    async def put(self, name: str, text: str) -> None:
        """Give a secret its text. A secret that is not there is made."""

    async def replace(self, name: str, text: str, before: Stored | None) -> bool:
        """Give a secret that is there a text in place of ``before``.

        Of several that saw the same ``before`` one succeeds; the others get ``False``.
        """

    async def remove(self, name: str) -> None:
        """Delete a secret for good, if it is there."""


@final
class SecretsManager:
    """The vault of an account, asked off the event loop, but for reading through ``calls``."""

    def __init__(self, calls: AwsCalls | None = None) -> None:
        self._calls = calls
        self._client: Any = None
        self._making = threading.Lock()

    async def read(self, name: str) -> Stored | None:
        found = await self._value(name)
        if found is None:
            return None
        if found.get("SecretBinary") is not None:
            raise SecretUnavailable(f"secret {name}: expected a text, found binary data")
        text = found.get("SecretString")
        return None if text is None else Stored(str(text), str(found.get("VersionId")))

    async def _value(self, name: str) -> dict[str, Any] | None:
        gone = "ResourceNotFoundException"
        if self._calls is None:
            return await self._ask("get_secret_value", gone, SecretId=name)
        fault: ServiceFault | None = None
        for _ in range(ATTEMPTS):
            try:
                return await self._calls.call("GetSecretValue", {"SecretId": name})
            except ServiceRefused as refused:
                if refused.refusal_code == gone:
                    return None
                fault = refused
                if refused.refusal_code in OF_ONE_SECRET:
                    break
            except ServiceFault as silent:
                fault = silent
        code = fault.refusal_code if isinstance(fault, ServiceRefused) else "no answer"
        kind = SecretUnavailable if code in OF_ONE_SECRET else SecretStoreUnavailable
        raise kind(f"secret {name}: get_secret_value failed: {code}")

    async def put(self, name: str, text: str) -> None:
        exists = "ResourceExistsException"
        if await self._ask("create_secret", exists, Name=name, SecretString=text) is None:
            await self._ask("put_secret_value", None, SecretId=name, SecretString=text)

    async def replace(self, name: str, text: str, before: Stored | None) -> bool:
        """Name the new version after the old one.

        A version that exists is never changed: a second text for it is refused (API reference of
        PutSecretValue, ``ClientRequestToken``, read 2026-07).
        """
        after = hashlib.sha256(f"after {before.version if before else ''}".encode()).hexdigest()
        given = {"SecretId": name, "SecretString": text, "ClientRequestToken": after}
        return await self._ask("put_secret_value", "ResourceExistsException", **given) is not None

    async def remove(self, name: str) -> None:
        """Without a time to recover it in: names are never used again."""
        gone = "ResourceNotFoundException"
        await self._ask("delete_secret", gone, SecretId=name, ForceDeleteWithoutRecovery=True)

    async def _ask(
        self, operation: str, expected: str | None, **members: str | bool
    ) -> dict[str, Any] | None:
        """Return the answer, or ``None`` where the service refuses with the code ``expected``."""
        return await asyncio.to_thread(self._send, operation, expected, members)

    def _send(
        self, operation: str, expected: str | None, members: dict[str, str | bool]
    ) -> dict[str, Any] | None:
        from botocore.exceptions import (  # noqa: PLC0415 - only those pay who have a vault
            BotoCoreError,
            ClientError,
        )

        kind: type[SecretUnavailable] = SecretStoreUnavailable
        try:
            with self._making:
                self._client = self._client or client("secretsmanager", attempts=ATTEMPTS)
            answer: dict[str, Any] = getattr(self._client, operation)(**members)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code == expected:
                return None
            kind = SecretUnavailable if code in OF_ONE_SECRET else SecretStoreUnavailable
        except (BotoCoreError, RuntimeError) as error:  # RuntimeError: renewed, and expired
            code = type(error).__name__
        else:
            return answer
        # Outside of the clauses: what the library's exception says may hold what was sent.
        place = members.get("SecretId") or members.get("Name")
        raise kind(f"secret {place}: {operation} failed: {code}")
