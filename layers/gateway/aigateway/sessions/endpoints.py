"""The calls of the sessions API: who asks, what for, and the document that answers."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, final

from aigateway.caller.identity import Caller, bearer, caller_of
from aigateway.caller.keys import key_id_of
from aigateway.clock import Clock
from aigateway.errors import (
    AuthUnavailable,
    CursorInvalid,
    LedgerFault,
    MissingKey,
    NotAllowed,
    Refusal,
)
from aigateway.ledger.listing import NameKind, Reach, Window
from aigateway.ledger.rows import Interception, Page
from aigateway.ledger.store import Store
from aigateway.sessions import query, view
from aigateway.sessions.interception_view import Document, Results, interception
from aigateway.sessions.query import Asked, Known, Parameters, QueryInvalid
from aigateway.sessions.search import Fault
from aigateway.sessions.threads import Thread, conversation_of

ME = "me"
"""Stands for the caller wherever a user is named."""

NAME_KEYS: Final[Mapping[NameKind, tuple[str, ...]]] = {
    "models": ("model",),
    "clients": ("client",),
    "providers": ("provider", "provider_name"),
}
"""The search keys that each list of names understands."""

USE_NOTED_EVERY = timedelta(minutes=5)


@final
@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` by lower-case name; ``parameters`` decoded, with all their values."""

    headers: Mapping[str, str]
    parameters: Parameters


@final
class NothingFound(Refusal):
    """No such record, or not for this caller: one text for both."""

    status, code = 404, "not_found"


@final
class SessionAmbiguous(Refusal):
    """Several initiators used this session id; ``candidates`` are their names by id."""

    status, code = 409, "ambiguous_session"

    def __init__(self, candidates: Mapping[str, str]) -> None:
        super().__init__("Several users have a session with this id: add the parameter initiator.")
        self.candidates: Final = candidates


@final
class Endpoints:
    """Each call authenticates, and raises what ``errors.py`` knows."""

    def __init__(self, store: Store, clock: Clock, *, own_sessions_visible: bool) -> None:
        self._store = store
        self._clock = clock
        self._own_sessions_visible = own_sessions_visible

    async def sessions(self, request: Request) -> Document:
        caller = await self._caller(request)
        asked = query.asked(request.parameters, query.SESSION_PARAMETERS)
        known = await self._known(asked, caller)
        wanted, window = query.listing(asked, known, self._clock.now())
        if not self._sees_something(caller):
            return view.sessions_page(Page((), 0, count_exact=True, next_cursor=None))
        try:
            page = await self._store.sessions(wanted, _reach(caller), window)
        except CursorInvalid as invalid:
            raise QueryInvalid([_misplaced(window, "after_session_id")]) from invalid
        return view.sessions_page(page)

    async def session(self, request: Request, session_id: str) -> Document:
        caller = await self._caller(request)
        asked = query.asked(request.parameters, query.DETAIL_PARAMETERS)
        known = await self._known(asked, caller)
        window = query.thread_window(asked, known)
        rows = await self._one_session(caller, session_id, known.initiator_id)
        conversation = conversation_of(rows)
        page = await self._filled(query.page_of(conversation.threads, window))
        shown_id = rows[0].opened.session_id
        return view.session_detail(shown_id, rows, page, conversation)

    async def interceptions(self, request: Request) -> Document:
        caller = await self._caller(request)
        asked = query.asked(request.parameters, query.INTERCEPTION_PARAMETERS, bare="initiator")
        known = await self._known(asked, caller)
        wanted, window = query.listing(asked, known, self._clock.now())
        if not self._sees_something(caller):
            return view.interceptions_page(Page((), 0, count_exact=True, next_cursor=None))
        try:
            page = await self._store.interceptions(wanted, _reach(caller), window)
        except CursorInvalid as invalid:
            raise QueryInvalid([_misplaced(window, "after_id")]) from invalid
        return view.interceptions_page(page)

    async def interception(self, request: Request, interception_id: str) -> Document:
        caller = await self._caller(request)
        query.nothing_asked(request.parameters)
        found = None
        if self._sees_something(caller):
            now = self._clock.now()
            found = await self._store.interception(interception_id, _reach(caller), now)
        if found is None:
            raise NothingFound("Interception not found.")
        return interception(found, await self._results(found))

    async def names(self, request: Request, kind: NameKind) -> list[str]:
        caller = await self._caller(request)
        asked = query.asked(request.parameters, query.NAME_PARAMETERS)
        window, beginning = query.name_window(asked, NAME_KEYS[kind], self._clock.now())
        if not self._sees_something(caller):
            return []
        return list(await self._store.names(kind, _reach(caller), window, beginning))

    async def _caller(self, request: Request) -> Caller:
        secret = _secret(request.headers)
        key_id, now = key_id_of(secret), self._clock.now()
        try:
            found = None if key_id is None else await self._store.key(key_id)
        except LedgerFault as fault:
            raise AuthUnavailable("The key store cannot be reached.") from fault
        caller = caller_of(secret, found, now)
        if caller.role == "metrics":
            raise NotAllowed("The role metrics reads no sessions.")
        last_used_at = found[0].last_used_at if found else None
        if last_used_at is None or now - last_used_at >= USE_NOTED_EVERY:
            with contextlib.suppress(LedgerFault):
                await self._store.key_used(caller.key_id, now)
        return caller

    def _sees_something(self, caller: Caller) -> bool:
        return caller.role != "member" or self._own_sessions_visible

    async def _known(self, asked: Asked, caller: Caller) -> Known:
        initiator = asked.values.get("initiator")
        names: frozenset[str] = frozenset()
        if {"provider", "provider_name"} & asked.values.keys():
            names = frozenset(row.name for row in await self._store.provider_rows())
        return Known(await self._initiator_id(initiator, caller) if initiator else None, names)

    async def _initiator_id(self, text: str, caller: Caller) -> str | None:
        if text in (ME, caller.initiator_id, caller.username):
            return caller.initiator_id
        if caller.role == "member":
            return None
        user = await self._store.user(text)
        return user.id if user else None

    async def _one_session(
        self, caller: Caller, session_id: str, initiator_id: str | None
    ) -> tuple[Interception, ...]:
        groups: tuple[tuple[Interception, ...], ...] = ()
        if self._sees_something(caller):
            groups = await self._store.session(session_id, _reach(caller), self._clock.now())
        by_initiator = {rows[0].opened.initiator_id: rows for rows in groups if rows}
        if initiator_id is not None:
            by_initiator = {id_: r for id_, r in by_initiator.items() if id_ == initiator_id}
        if not by_initiator:
            raise NothingFound("Session not found.")
        if len(by_initiator) > 1:
            raise SessionAmbiguous(
                {id_: rows[0].opened.initiator_username for id_, rows in by_initiator.items()}
            )
        return next(iter(by_initiator.values()))

    async def _filled(self, threads: tuple[Thread, ...]) -> tuple[Thread, ...]:
        bare = tuple(row for thread in threads for row in thread.rows)
        filled = {row.id: row for row in await self._store.filled(bare)} if bare else {}
        return tuple(
            Thread(thread.id, tuple(filled.get(row.id, row) for row in thread.rows))
            for thread in threads
        )

    async def _results(self, row: Interception) -> Results:
        """Find what later requests said about the calls of one interception."""
        if not row.calls:
            return {}
        reach = Reach(row.opened.initiator_id)
        groups = await self._store.session(row.opened.session_id, reach, self._clock.now())
        return {
            key: result
            for rows in groups
            for key, result in conversation_of(rows).results.items()
            if key[0] == row.id
        }


def _misplaced(window: Window, after: str) -> Fault:
    if window.cursor is not None:
        return Fault("cursor", "Was changed, or belongs to another caller or other filters.")
    return Fault(after, "No such id, or one that several users have: use the cursor.")


def _reach(caller: Caller) -> Reach:
    return Reach(caller.initiator_id if caller.role == "member" else None)


def _secret(headers: Mapping[str, str]) -> str:
    """Find the gateway key, else whatever was sent as one. Raises ``MissingKey``."""
    shown = [
        text
        for text in (
            headers.get("coder-session-token", "").strip(),
            bearer(headers.get("authorization", "")),
            headers.get("x-api-key", "").strip(),
        )
        if text
    ]
    if not shown:
        raise MissingKey("No gateway key: send it as Coder-Session-Token or Authorization: Bearer.")
    return next((text for text in shown if key_id_of(text) is not None), shown[0])
