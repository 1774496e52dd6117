"""The calls by which an admin configures providers."""

from typing import final

from aigateway.errors import Refusal
from aigateway.pool.providers import is_provider_name
from aigateway.sessions.bodies import document_in
from aigateway.sessions.callers import Callers
from aigateway.sessions.calls import Reply, Request, Routes
from aigateway.sessions.configuring import Configuring
from aigateway.sessions.query import nothing_asked
from aigateway.sessions.trial import Trial


@final
class NoProviderName(Refusal):
    """Neither an id nor a name."""

    status, code = 400, "invalid_provider"


@final
class Providers:
    """Each call authenticates, and raises what ``errors.py`` knows."""

    def __init__(self, callers: Callers, configuring: Configuring, trial: Trial) -> None:
        self._callers = callers
        self._configuring = configuring
        self._trial = trial

    def routes(self) -> Routes:
        """Return the calls below the prefix for configuration."""
        return {
            "/providers": {"GET": self.all, "POST": self.add},
            "/providers/<id_or_name>": {
                "GET": self.one,
                "PATCH": self.change,
                "DELETE": self.delete,
            },
            "/providers/<id_or_name>/test": {"POST": self.test},
        }

    async def all(self, request: Request) -> Reply:
        await self._admin(request)
        return Reply(await self._configuring.all())

    async def add(self, request: Request) -> Reply:
        actor_id = await self._admin(request)
        return Reply(await self._configuring.add(document_in(request), actor_id), 201)

    async def one(self, request: Request, id_or_name: str) -> Reply:
        await self._admin(request)
        return Reply(await self._configuring.one(_named(id_or_name)))

    async def change(self, request: Request, id_or_name: str) -> Reply:
        actor_id = await self._admin(request)
        name, given = _named(id_or_name), document_in(request)
        return Reply(await self._configuring.change(name, given, actor_id))

    async def delete(self, request: Request, id_or_name: str) -> Reply:
        actor_id = await self._admin(request)
        await self._configuring.delete(_named(id_or_name), actor_id)
        return Reply(None, 204)

    async def test(self, request: Request, id_or_name: str) -> Reply:
        await self._admin(request)
        return Reply(await self._trial.run(await self._configuring.row(_named(id_or_name))))

    async def _admin(self, request: Request) -> str:
        caller = await self._callers.admin(request)
        nothing_asked(request.parameters)
        return caller.initiator_id


def _named(id_or_name: str) -> str:
    """An id has the form of a name. Raises ``NoProviderName``."""
    if not is_provider_name(id_or_name):
        raise NoProviderName("Expected the id or the name of a provider.")
    return id_or_name
