"""Who calls the control plane: a gateway key in one of three headers, or a signature of AWS."""

import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import final

from aigateway.caller.identity import Caller, bearer, caller_of, signed_caller
from aigateway.caller.keys import key_id_of
from aigateway.caller.principals import Signer
from aigateway.clock import Clock
from aigateway.errors import AuthUnavailable, LedgerFault, MissingKey, NotAllowed
from aigateway.ledger.store import Directory
from aigateway.sessions.calls import Request

USE_NOTED_EVERY = timedelta(minutes=5)


@final
class Callers:
    """Authenticates calls."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    async def caller(self, request: Request) -> Caller:
        """Raises ``NotAllowed`` for the role that reads only metrics, and what ``_known`` does."""
        caller = await self._known(request)
        if caller.role == "metrics":
            raise NotAllowed("The role metrics reads no sessions.")
        return caller

    async def reader_of_metrics(self, request: Request) -> Caller:
        """Raises ``NotAllowed`` for all roles but two, and what ``_known`` does."""
        caller = await self._known(request)
        if caller.role not in ("admin", "metrics"):
            raise NotAllowed("Only admins and keys of the role metrics read metrics.")
        return caller

    async def _known(self, request: Request) -> Caller:
        """Raises ``MissingKey``, ``InvalidKey`` or ``AuthUnavailable``."""
        secret = _secret(request.headers, request.signer)
        try:
            if isinstance(secret, Signer):
                user = await self._directory.principal(secret.principal)
                caller = signed_caller(secret, user)
            else:
                caller = await self._keyed(secret)
        except LedgerFault as fault:
            raise AuthUnavailable("The key store cannot be reached.") from fault
        return caller

    async def _keyed(self, secret: str) -> Caller:
        key_id, now = key_id_of(secret), self._clock.now()
        found = None if key_id is None else await self._directory.key(key_id)
        caller = caller_of(secret, found, now)
        last_used_at = found[0].last_used_at if found else None
        if last_used_at is None or now - last_used_at >= USE_NOTED_EVERY:
            with contextlib.suppress(LedgerFault):
                await self._directory.key_used(caller.key_id, now)
        return caller

    async def admin(self, request: Request) -> Caller:
        """Raises ``NotAllowed`` for every role but one, and what ``caller`` raises."""
        caller = await self.caller(request)
        if caller.role != "admin":
            raise NotAllowed("Only an admin may do this.")
        return caller


def _secret(headers: Mapping[str, str], signer: Signer | None) -> str | Signer:
    """Find the gateway key, else who signed, else whatever was sent as a key.

    Raises ``MissingKey``.
    """
    shown = [
        text
        for text in (
            headers.get("coder-session-token", "").strip(),
            bearer(headers.get("authorization", "")),
            headers.get("x-api-key", "").strip(),
        )
        if text
    ]
    key = next((text for text in shown if key_id_of(text) is not None), None)
    if key is None and signer is not None:
        return signer
    if not shown:
        raise MissingKey("No gateway key: send it as Coder-Session-Token or Authorization: Bearer.")
    return key or shown[0]
