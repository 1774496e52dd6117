"""A reload over keys that a test holds."""

from typing import final

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import SecretUnavailable
from aigateway.pool.providers import SecretRef
from aigateway.reload.pool import Reload
from tests.acceptance.words import AWS_KEYS, PROVIDER_KEY


@final
class HeldKeys:
    """Has one key for every reference ``k1``, a pair of AWS keys, and one for each other id.

    Those of a provider in ``missing``, or one key ``provider/id`` there, cannot be read.
    """

    def __init__(self, *missing: str) -> None:
        self.missing = set(missing)
        self.fault: Exception | None = None
        self.asked: list[str] = []

    async def key(self, ref: SecretRef) -> str:
        self.asked.append(f"{ref.provider}/{ref.key_id}")
        if self.fault is not None:
            raise self.fault
        if {ref.provider, f"{ref.provider}/{ref.key_id}"} & self.missing:
            raise SecretUnavailable(f"the key of provider {ref.provider} cannot be read")
        return AWS_KEYS if ref.key_id == "aws" else provider_key(ref.key_id)


def provider_key(key_id: str) -> str:
    return PROVIDER_KEY if key_id == "k1" else f"sk-provider-planted-number-{key_id}"


def a_reload(
    clock: Clock,
    keys: HeldKeys | None = None,
    *,
    allow_byok: bool = True,
    allowed: tuple[Network, ...] = (),
) -> Reload:
    held = keys or HeldKeys()
    return Reload(clock, lambda: held, allow_byok=allow_byok, allowed=allowed)
