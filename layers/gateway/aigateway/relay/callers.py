"""Authentication with a short memory: whoever was found is looked up again once that is too old."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar, final

from aigateway.caller.identity import Caller, caller_of, signed_caller
from aigateway.caller.keys import key_id_of
from aigateway.caller.people import Key, User
from aigateway.caller.principals import Signer
from aigateway.clock import Clock
from aigateway.errors import AuthUnavailable, InvalidKey, LedgerFault, NotAllowed
from aigateway.ledger.store import Directory
from aigateway.relay.asides import Asides
from aigateway.telemetry.spans import event

ABSENT_SECONDS = 5.0
USED_EVERY = timedelta(minutes=5)
REMEMBERED = 10_000

Found = TypeVar("Found")


@final
class Callers:
    """Turns gateway keys and AWS signatures into callers.

    What was found is remembered for ``remembered_seconds``, what was not for 5 s at most: so a
    revoked key and a suspended user's signature work no longer than that.
    """

    def __init__(self, directory: Directory, clock: Clock, remembered_seconds: float) -> None:
        self._directory = directory
        self._clock = clock
        self._keys: _Memory[tuple[Key, User]] = _Memory(directory.key, clock, remembered_seconds)
        self._users: _Memory[User] = _Memory(directory.principal, clock, remembered_seconds)
        self._used: dict[str, datetime] = {}

    async def caller(self, secret: str, asides: Asides) -> Caller:
        """Raises ``InvalidKey``, ``NotAllowed`` or ``AuthUnavailable``."""
        key_id = key_id_of(secret)
        if key_id is None:
            raise InvalidKey("the gateway key is unknown, expired or revoked")
        now = self._clock.now()
        found = await self._keys.found(key_id)
        caller = _for_providers(caller_of(secret, found, now))
        if found is not None and self._is_due(found[0], now):
            self._used[key_id] = now
            asides.start(self._directory.key_used(key_id, now))
        return caller

    async def signed(self, signer: Signer) -> Caller:
        """Raises ``InvalidKey``, ``NotAllowed`` or ``AuthUnavailable``."""
        return _for_providers(signed_caller(signer, await self._users.found(signer.principal)))

    def _is_due(self, key: Key, now: datetime) -> bool:
        latest = max(filter(None, (self._used.get(key.id), key.last_used_at)), default=None)
        return latest is None or now - latest >= USED_EVERY


def _for_providers(caller: Caller) -> Caller:
    if caller.role == "metrics":
        raise NotAllowed("the role metrics may read metrics and nothing else")
    return caller


@final
class _Memory(Generic[Found]):
    """Asks ``look_up`` at most so often for each name.

    Ages go by the wall clock: a function may be frozen in between.
    """

    def __init__(
        self, look_up: Callable[[str], Awaitable[Found | None]], clock: Clock, seconds: float
    ) -> None:
        self._look_up = look_up
        self._clock = clock
        self._seconds = seconds
        self.known: dict[str, tuple[float, Found | None]] = {}

    async def found(self, name: str) -> Found | None:
        """Raises ``AuthUnavailable``."""
        at = self._clock.now().timestamp()
        known = self.known.get(name)
        if known is not None:
            limit = self._seconds if known[1] is not None else min(ABSENT_SECONDS, self._seconds)
            if 0 <= at - known[0] < limit:
                event("cache_hit")
                return known[1]
        event("cache_miss")
        try:
            found = await self._look_up(name)
        except LedgerFault as fault:
            raise AuthUnavailable("the key store cannot be reached") from fault
        if len(self.known) >= REMEMBERED:
            self.known.clear()
        self.known[name] = (at, found)
        return found
