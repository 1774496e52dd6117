"""From a request to its record: who, where, and what the body says."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import final

from aigateway.caller.clients import client_of
from aigateway.caller.identity import Caller, Presented, presented
from aigateway.caller.lineage import lineage_of
from aigateway.clock import uuid7
from aigateway.errors import (
    Answerable,
    BackgroundNotSupported,
    ByokDisabled,
    InvalidJson,
    Misheard,
    NoSnapshot,
    ProviderConfigUnavailable,
    UnreadableBody,
)
from aigateway.interception import UNKNOWN_MODEL, Credential, Opened
from aigateway.pool.routes import Route, route_of
from aigateway.pool.snapshot import Pool
from aigateway.relay.asides import Asides
from aigateway.relay.callers import Callers
from aigateway.settings import Settings
from aigateway.transcript.facts import Dialect, Opening
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening
from aigateway.wire.inflate import inflated
from aigateway.wire.messages import Headers, RequestHead, text, value

UNREADABLE = {
    "unknown_encoding": "content-encoding",
    "broken_encoding": "content-encoding",
    "decoded_too_large": "too_large",
    "too_deep": "too_deep",
}
SEQUENCE_LIMIT = 2**53


@final
@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may go on: who sent it, where it goes, with whose credential."""

    caller: Caller
    route: Route
    presented: Presented

    @property
    def credential(self) -> Credential:
        if self.presented.own is None:
            return Credential("centralized", None)
        return Credential("byok", self.presented.own_hint)


@final
@dataclass(frozen=True, slots=True)
class Taken:
    """A request with its record. ``refusal``: recorded, but answered by the gateway itself."""

    opened: Opened
    refusal: Answerable | None


@final
class Intake:
    """The checks of one request, in their order."""

    def __init__(self, settings: Settings, pool: Pool, callers: Callers) -> None:
        self._settings = settings
        self._pool = pool
        self._callers = callers

    async def admit(self, head: RequestHead, asides: Asides) -> Admitted:
        """Authenticate first: a stranger cannot tell a provider that exists from one that does not.

        Raises ``Refusal`` or ``LedgerFault``.
        """
        shown = presented(head.headers)
        caller = await self._callers.caller(shown.secret, asides)
        try:
            snapshot = self._pool.current()
        except NoSnapshot as none:
            raise ProviderConfigUnavailable("the provider pool is not loaded yet") from none
        route = route_of(head, snapshot)
        if shown.own is not None and not self._settings.allow_byok:
            raise ByokDisabled("bringing your own provider key is switched off")
        return Admitted(caller, route, shown)

    def take(
        self, head: RequestHead, body: bytes, admitted: Admitted, started_at: datetime
    ) -> Taken:
        """Read the body and make the record. Raises ``UnreadableBody``."""
        route = admitted.route
        client = client_of(head.headers)
        prompts = filter_for(client.name) if route.prompted else None
        refusal: Answerable | None = None
        unavailable: str | None = None
        opening: Opening | None = None
        try:
            decoded = inflated(body, value(head.headers, b"content-encoding"))
            opening = read_opening(_dialect(route), decoded, prompts)
            unavailable = opening.prompt_unavailable
        except Misheard as misheard:
            if misheard.reason == "not_json":
                refusal = InvalidJson("the body is not a JSON object")
            else:
                unavailable = UNREADABLE.get(misheard.reason, misheard.reason)
        if route.dialect is Dialect.RESPONSES and not self._settings.allow_background:
            if opening is None and refusal is None:
                raise UnreadableBody("the body cannot be read, so background cannot be ruled out")
            if opening is not None and opening.background:
                refusal = BackgroundNotSupported("background responses are not supported")
        opened = self._opened(head, body, admitted, started_at, opening)
        if unavailable is not None:
            noted = {**opened.metadata, "prompt_unavailable": unavailable}
            opened = replace(opened, metadata=noted)
        return Taken(opened, refusal)

    def _opened(
        self,
        head: RequestHead,
        body: bytes,
        admitted: Admitted,
        started_at: datetime,
        opening: Opening | None,
    ) -> Opened:
        caller, route, client = admitted.caller, admitted.route, client_of(head.headers)
        session, number = firewall(head.headers)
        return Opened(
            id=uuid7(started_at),
            initiator_id=caller.initiator_id,
            initiator_username=caller.username,
            api_key_id=caller.key_id,
            provider=route.provider.runtime_type,
            provider_name=route.provider.name,
            provider_type=route.provider.type,
            model=(opening.model if opening else None) or UNKNOWN_MODEL,
            dialect=_dialect(route),
            route=route.template,
            method=head.method,
            streaming=opening.streaming if opening else False,
            client=client,
            lineage=lineage_of(head.headers, client, opening),
            credential=admitted.credential,
            started_at=started_at,
            expires_at=expiry(started_at, self._settings.retention),
            request_bytes=len(body),
            request_sha256=hashlib.sha256(body).hexdigest(),
            prompt=opening.prompt if opening else None,
            answered_calls=opening.answered_calls if opening else (),
            previous_response_id=opening.previous_response_id if opening else None,
            retry_count=retry_count(head.headers),
            agent_firewall_session_id=session,
            agent_firewall_sequence_number=number,
        )


def _dialect(route: Route) -> Dialect:
    assert route.dialect is not None  # noqa: S101 - only recorded routes come here
    return route.dialect


def expiry(started_at: datetime, retention: timedelta | None) -> datetime | None:
    """Return when a record expires, in whole seconds: the unit of the table's TTL."""
    return None if retention is None else started_at.replace(microsecond=0) + retention


def retry_count(headers: Headers) -> int | None:
    """Return what the vendors' SDKs say of their own retries."""
    shown = text(headers, b"x-stainless-retry-count") or ""
    return int(shown) if shown.isascii() and shown.isdigit() and len(shown) <= 4 else None  # noqa: PLR2004


def firewall(headers: Headers) -> tuple[str | None, int | None]:
    """Return session and sequence number of the agent firewall: both valid, or neither."""
    session = text(headers, b"x-coder-agent-firewall-session-id")
    number = text(headers, b"x-coder-agent-firewall-sequence-number") or ""
    if session is None or len(session) > 256 or not session.isprintable():  # noqa: PLR2004
        return None, None
    if not (number.isascii() and number.isdigit()) or int(number[:20]) > SEQUENCE_LIMIT:
        return None, None
    return session, int(number)
