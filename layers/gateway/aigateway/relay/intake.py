"""From a request to its record: who, where, and what the body says."""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import final

from aigateway.caller.clients import Client, client_of
from aigateway.caller.identity import Caller, Presented
from aigateway.caller.lineage import lineage_of
from aigateway.caller.principals import Signer
from aigateway.clock import uuid7
from aigateway.errors import (
    Answerable,
    BackgroundNotSupported,
    ByokDisabled,
    InvalidJson,
    Misheard,
    MissingOwnKey,
    NoSnapshot,
    ProviderConfigUnavailable,
    UnreadableBody,
)
from aigateway.globs import ANY
from aigateway.interception import UNKNOWN_MODEL, Credential, Opened, expiry
from aigateway.pool.routes import Route, place_of, route_of
from aigateway.pool.snapshot import Pool
from aigateway.relay.asides import Asides
from aigateway.relay.callers import Callers
from aigateway.relay.permission import Permission, check_models, limits
from aigateway.settings import Settings
from aigateway.transcript.facts import Dialect, Opening
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening
from aigateway.wire.inflate import inflated
from aigateway.wire.masking import masked
from aigateway.wire.messages import Headers, RequestHead, text, values

UNREADABLE = {
    "unknown_encoding": "content-encoding",
    "broken_encoding": "content-encoding",
    "decoded_too_large": "too_large",
    "too_deep": "too_deep",
}
SESSION_LIMIT = 256
SEQUENCE = re.compile(r"[0-9]{1,15}")
RETRIES = re.compile(r"[0-9]{1,4}")


@final
@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may go on: who sent it, where it goes, with whose credential.

    ``models``: patterns of those that the caller may use there.
    """

    caller: Caller
    route: Route
    presented: Presented
    models: tuple[str, ...] = (ANY,)

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
        self._permission = Permission()

    async def admit(self, head: RequestHead, shown: Presented, asides: Asides) -> Admitted:
        """Authenticate first: a stranger cannot tell a provider that exists from one that does not.

        Neither can a caller whose access rules name others. ``shown`` is what its headers present.
        Raises ``Refusal`` or ``LedgerFault``.
        """
        if isinstance(shown.secret, Signer):
            caller = await self._callers.signed(shown.secret)
        else:
            caller = await self._callers.caller(shown.secret, asides)
        try:
            snapshot = self._pool.current()
        except NoSnapshot as none:
            raise ProviderConfigUnavailable("the provider pool is not loaded yet") from none
        models = self._permission.models(caller, place_of(head.path).name, snapshot)
        route = route_of(head, snapshot)
        if shown.own is not None and not self._settings.allow_byok:
            raise ByokDisabled("bringing your own provider key is switched off")
        return Admitted(caller, route, _presented_to(route, shown), models)

    def take(
        self, head: RequestHead, body: bytes, admitted: Admitted, started_at: datetime
    ) -> Taken:
        """Read the body and make the record. Raises ``UnreadableBody``, ``NotAllowed``."""
        client = client_of(head.headers)
        refusal: Answerable | None = None
        opening: Opening | None = None
        plain = b""
        try:
            plain = inflated(body, b",".join(values(head.headers, b"content-encoding")))
            opening = _read(plain, admitted.route, client)
            unavailable = opening.prompt_unavailable
        except Misheard as misheard:
            unavailable = UNREADABLE.get(misheard.reason, misheard.reason)
            if misheard.reason == "not_json":
                refusal, unavailable = InvalidJson("the body is not a JSON object"), None
        if refusal is None:
            limited = limits(admitted.models, admitted.route.provider.models_allow)
            check_models(plain if opening else None, limited)
        refusal = refusal or self._background(admitted.route, opening)
        opened = self._opened(head, body, admitted, client, started_at, opening)
        noted: dict[str, str | int] = dict(opened.metadata)
        if unavailable is not None:
            noted["prompt_unavailable"] = unavailable
        if opening is not None and opening.background:
            noted["background"] = "true"
        if admitted.route.provider.bedrock is not None:
            noted["aws_bedrock"] = "true"
            if opening is not None and opening.model not in (None, opened.model):
                noted["requested_model"] = masked(str(opening.model))
        if is_agents_turn(head.headers, admitted.route):
            noted["x_initiator"] = "agent"
        return Taken(replace(opened, metadata=noted), refusal)

    def _background(self, route: Route, opening: Opening | None) -> Answerable | None:
        """Refuse what would go on at the provider unrecorded, or might for all we can read."""
        if route.dialect is not Dialect.RESPONSES or self._settings.allow_background:
            return None
        if opening is None:
            raise UnreadableBody("the body cannot be read, so background cannot be ruled out")
        if opening.background:
            return BackgroundNotSupported("background responses are not supported")
        return None

    def _opened(
        self,
        head: RequestHead,
        body: bytes,
        admitted: Admitted,
        client: Client,
        started_at: datetime,
        opening: Opening | None,
    ) -> Opened:
        caller, route = admitted.caller, admitted.route
        session, number = firewall(head.headers)
        return Opened(
            id=uuid7(started_at),
            initiator_id=caller.initiator_id,
            initiator_username=caller.recorded_name,
            api_key_id=caller.key_id,
            provider=route.provider.runtime_type,
            provider_name=route.provider.name,
            provider_type=route.provider.type,
            model=masked(_served_model(route, opening)),
            dialect=_dialect(route),
            route=route.template,
            method=head.method,
            streaming=opening.streaming if opening else False,
            client=replace(client, user_agent=masked(client.user_agent)),
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


def _presented_to(route: Route, shown: Presented) -> Presented:
    """Pick the credential that the provider reads. Raises ``MissingOwnKey``."""
    provider = route.provider
    is_copilot = provider.type == "copilot"
    anthropic = provider.runtime_type == "anthropic" or route.dialect is Dialect.MESSAGES
    shown = shown.for_dialect(anthropic=anthropic and not is_copilot)
    if is_copilot and (shown.own is None or shown.own[0] != b"authorization"):
        raise MissingOwnKey(
            f"provider {provider.name} takes your own GitHub token as Authorization: Bearer, "
            "and the gateway key as X-AI-Gateway-Token"
        )
    if shown.own is None and provider.needs_own_key:
        raise MissingOwnKey(
            f"provider {provider.name} has no key: send your own, "
            "and the gateway key as X-AI-Gateway-Token"
        )
    return shown if anthropic else shown.with_bearer()


def is_agents_turn(headers: Headers, route: Route) -> bool:
    """Whether Copilot says that no person began this turn."""
    return route.provider.type == "copilot" and text(headers, b"x-initiator") == "agent"


def _read(plain: bytes, route: Route, client: Client) -> Opening:
    prompts = filter_for(client.name) if route.prompted else None
    return read_opening(_dialect(route), plain, prompts)


def _served_model(route: Route, opening: Opening | None) -> str:
    """Return the requested model, or the one that its provider has in its place."""
    requested = (opening.model if opening else None) or UNKNOWN_MODEL
    bedrock = route.provider.bedrock
    return requested if bedrock is None else bedrock.model_for(requested)


def _dialect(route: Route) -> Dialect:
    assert route.dialect is not None  # noqa: S101 - only recorded routes come here
    return route.dialect


def retry_count(headers: Headers) -> int | None:
    """Return what the vendors' SDKs say of their own retries."""
    shown = text(headers, b"x-stainless-retry-count") or ""
    return int(shown) if RETRIES.fullmatch(shown) else None


def firewall(headers: Headers) -> tuple[str | None, int | None]:
    """Return session and sequence number of the agent firewall: both valid, or neither."""
    session = text(headers, b"x-coder-agent-firewall-session-id")
    number = text(headers, b"x-coder-agent-firewall-sequence-number") or ""
    if session is None or len(session) > SESSION_LIMIT or not session.isprintable():
        return None, None
    return (session, int(number)) if SEQUENCE.fullmatch(number) else (None, None)
