"""The calls of the sessions API: who asks, what for, and the document that answers."""

from collections.abc import Mapping
from functools import partial
from typing import Final, final

from aigateway.caller.identity import Caller
from aigateway.clock import Clock
from aigateway.errors import CursorInvalid, Refusal
from aigateway.ledger.listing import NameKind, Reach, Window
from aigateway.ledger.rows import Interception, Page
from aigateway.ledger.store import Store
from aigateway.sessions import query, view
from aigateway.sessions.callers import Callers
from aigateway.sessions.calls import ME, NothingFound, Reply, Request, Routes, Work
from aigateway.sessions.interception_view import Results, interception
from aigateway.sessions.query import Asked, Known, QueryInvalid
from aigateway.sessions.search import Fault
from aigateway.sessions.threads import Thread, conversation_of

NAME_KEYS: Final[Mapping[NameKind, tuple[str, ...]]] = {
    "models": ("model",),
    "clients": ("client",),
    "providers": ("provider", "provider_name"),
}
"""The search keys that each list of names understands."""


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
        self._callers = Callers(store, clock)
        self._own_sessions_visible = own_sessions_visible

    def routes(self) -> Routes:
        """Return the calls below each of the two prefixes."""
        reading: dict[str, Work] = {
            "/sessions": self.sessions,
            "/sessions/<id>": self.session,
            "/interceptions": self.interceptions,
            "/interceptions/<id>": self.interception,
            "/models": partial(self.names, kind="models"),
            "/clients": partial(self.names, kind="clients"),
            "/providers": partial(self.names, kind="providers"),
        }
        return {path: {"GET": work} for path, work in reading.items()}

    async def sessions(self, request: Request) -> Reply:
        caller = await self._callers.caller(request)
        asked = query.asked(request.parameters, query.SESSION_PARAMETERS)
        known = await self._known(asked, caller)
        wanted, window = query.listing(asked, known, self._clock.now())
        if not self._sees_something(caller):
            return Reply(view.sessions_page(Page((), 0, count_exact=True, next_cursor=None)))
        try:
            page = await self._store.sessions(wanted, _reach(caller), window)
        except CursorInvalid as invalid:
            raise QueryInvalid([_misplaced(window, "after_session_id")]) from invalid
        return Reply(view.sessions_page(page))

    async def session(self, request: Request, session_id: str) -> Reply:
        caller = await self._callers.caller(request)
        asked = query.asked(request.parameters, query.DETAIL_PARAMETERS)
        known = await self._known(asked, caller)
        window = query.thread_window(asked, known)
        rows = await self._one_session(caller, session_id, known.initiator_id)
        conversation = conversation_of(rows)
        page = await self._filled(query.page_of(conversation.threads, window))
        shown_id = rows[0].opened.session_id
        return Reply(view.session_detail(shown_id, rows, page, conversation))

    async def interceptions(self, request: Request) -> Reply:
        caller = await self._callers.caller(request)
        asked = query.asked(request.parameters, query.INTERCEPTION_PARAMETERS, bare="initiator")
        known = await self._known(asked, caller)
        wanted, window = query.listing(asked, known, self._clock.now())
        if not self._sees_something(caller):
            return Reply(view.interceptions_page(Page((), 0, count_exact=True, next_cursor=None)))
        try:
            page = await self._store.interceptions(wanted, _reach(caller), window)
        except CursorInvalid as invalid:
            raise QueryInvalid([_misplaced(window, "after_id")]) from invalid
        return Reply(view.interceptions_page(page))

    async def interception(self, request: Request, interception_id: str) -> Reply:
        caller = await self._callers.caller(request)
        query.nothing_asked(request.parameters)
        found = None
        if self._sees_something(caller):
            now = self._clock.now()
            found = await self._store.interception(interception_id, _reach(caller), now)
        if found is None:
            raise NothingFound("Interception not found.")
        return Reply(interception(found, await self._results(found)))

    async def names(self, request: Request, kind: NameKind) -> Reply:
        caller = await self._callers.caller(request)
        asked = query.asked(request.parameters, query.NAME_PARAMETERS)
        window, beginning = query.name_window(asked, NAME_KEYS[kind], self._clock.now())
        if not self._sees_something(caller):
            return Reply([])
        return Reply(list(await self._store.names(kind, _reach(caller), window, beginning)))

    def _sees_something(self, caller: Caller) -> bool:
        return caller.role != "member" or self._own_sessions_visible

    async def _known(self, asked: Asked, caller: Caller) -> Known:
        initiator = asked.values.get("initiator")
        names: frozenset[str] = frozenset()
        if {"provider", "provider_name"} & asked.values.keys():
            names = frozenset(row.name for row in await self._store.provider_rows(deleted=True))
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
