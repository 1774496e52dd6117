"""Authentication with a short memory: a key is looked up again once it is too old."""

from datetime import datetime, timedelta
from typing import final

from aigateway.caller.identity import Caller, caller_of
from aigateway.caller.keys import key_id_of
from aigateway.caller.people import Key, User
from aigateway.clock import Clock
from aigateway.errors import AuthUnavailable, InvalidKey, LedgerFault, NotAllowed
from aigateway.ledger.store import Directory
from aigateway.relay.asides import Asides

ABSENT_SECONDS = 5.0
USED_EVERY = timedelta(minutes=5)
REMEMBERED = 10_000


@final
class Callers:
    """Turns gateway keys into callers.

    A key that was found is remembered for ``remembered_seconds``, one that was not for 5 s at
    most: so a revoked key works no longer than that.
    """

    def __init__(self, directory: Directory, clock: Clock, remembered_seconds: float) -> None:
        self._directory = directory
        self._clock = clock
        self._seconds = remembered_seconds
        self._known: dict[str, tuple[float, tuple[Key, User] | None]] = {}
        self._used: dict[str, datetime] = {}

    async def caller(self, secret: str, asides: Asides) -> Caller:
        """Raises ``InvalidKey``, ``NotAllowed`` or ``AuthUnavailable``."""
        key_id = key_id_of(secret)
        if key_id is None:
            raise InvalidKey("the gateway key is unknown, expired or revoked")
        now = self._clock.now()
        found = await self._found(key_id)
        caller = caller_of(secret, found, now)
        if caller.role == "metrics":
            raise NotAllowed("a key of role metrics may read metrics and nothing else")
        if found is not None and self._is_due(found[0], now):
            self._used[key_id] = now
            asides.start(self._directory.key_used(key_id, now))
        return caller

    def _is_due(self, key: Key, now: datetime) -> bool:
        latest = max(filter(None, (self._used.get(key.id), key.last_used_at)), default=None)
        return latest is None or now - latest >= USED_EVERY

    async def _found(self, key_id: str) -> tuple[Key, User] | None:
        at = self._clock.monotonic()
        known = self._known.get(key_id)
        if known is not None:
            limit = self._seconds if known[1] is not None else min(ABSENT_SECONDS, self._seconds)
            if at - known[0] < limit:
                return known[1]
        try:
            found = await self._directory.key(key_id)
        except LedgerFault as fault:
            raise AuthUnavailable("the key store cannot be reached") from fault
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key_id] = (at, found)
        return found
