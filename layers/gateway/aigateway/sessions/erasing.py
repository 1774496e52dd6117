"""The calls about forgetting a user: ask for it, and see how far it is. Admins only."""

from typing import final

from aigateway.clock import Clock, time_text
from aigateway.ledger.erase import Erasure, ask_to_erase, erasure_of
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.store import Store
from aigateway.sessions.callers import Callers
from aigateway.sessions.calls import ME, NothingFound, Reply, Request, Routes
from aigateway.sessions.interception_view import Document, given, time_or_none, user
from aigateway.sessions.query import nothing_asked

KEPT = ("account", "audit", "counters", "logs")


@final
class ErasingEndpoints:
    """The job is the scheduled tick's to do."""

    def __init__(self, callers: Callers, store: Store, clock: Clock) -> None:
        self._callers = callers
        self._store = store
        self._clock = clock

    def routes(self) -> Routes:
        return {"/users/<user>/data": {"DELETE": self.erase, "GET": self.state}}

    async def erase(self, request: Request, named: str) -> Reply:
        caller = await self._callers.admin(request)
        nothing_asked(request.parameters)
        user_id, username = await self._meant(caller.initiator_id if named == ME else named)
        asked = await ask_to_erase(self._store, self._clock, user_id, username, caller.initiator_id)
        return Reply(erasure_document(asked), 202)

    async def state(self, request: Request, named: str) -> Reply:
        caller = await self._callers.admin(request)
        nothing_asked(request.parameters)
        found = await self._store.user(caller.initiator_id if named == ME else named)
        erasure = await erasure_of(self._store, named if found is None else found.id)
        if erasure is None:
            raise NothingFound(f"Nobody asked to erase the data of {named}.")
        return Reply(erasure_document(erasure))

    async def _meant(self, named: str) -> tuple[str, str]:
        """Return id and name of a user, or the id that keys or records have of a deleted one."""
        found = await self._store.user(named)
        if found is not None:
            return found.id, found.username
        if not await self._store.keys(named) and not await self._has_records(named):
            raise NothingFound(f"There is no user {named}.")
        return named, named

    async def _has_records(self, user_id: str) -> bool:
        window = Window(1, self._clock.now(), inflight=True, auxiliary=True)
        page = await self._store.sessions(Filter(initiator_id=user_id), Reach(None), window)
        return bool(page.rows)


def erasure_document(erasure: Erasure) -> Document:
    return {
        "user": user(erasure.user_id, erasure.username),
        "state": "running" if erasure.finished_at is None else "done",
        "asked_at": time_text(erasure.asked_at),
        "finishes_after": time_text(erasure.finishes_after),
        **given(finished_at=time_or_none(erasure.finished_at)),
        "deleted": dict(erasure.deleted),
        "kept": list(KEPT),
    }
