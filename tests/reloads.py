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
    """Has one key, and one pair of AWS keys, for every reference but those in ``missing``."""

    def __init__(self, *missing: str) -> None:
        self.missing = set(missing)
        self.fault: Exception | None = None
        self.asked: list[str] = []

    async def key(self, ref: SecretRef) -> str:
        self.asked.append(f"{ref.provider}/{ref.key_id}")
        if self.fault is not None:
            raise self.fault
        if ref.provider in self.missing:
            raise SecretUnavailable(f"the key of provider {ref.provider} cannot be read")
        return AWS_KEYS if ref.key_id == "aws" else PROVIDER_KEY


def a_reload(
    clock: Clock,
    keys: HeldKeys | None = None,
    *,
    allow_byok: bool = True,
    allowed: tuple[Network, ...] = (),
) -> Reload:
    held = keys or HeldKeys()
    return Reload(clock, lambda: held, allow_byok=allow_byok, allowed=allowed)
