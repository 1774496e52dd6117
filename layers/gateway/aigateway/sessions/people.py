"""The calls about users and their gateway keys.

An admin makes every one of them. Everybody else is ``me``: reads themselves, gives themselves
another display name, makes and revokes their own keys, and may leave. What is another's looks
the same to them whether it exists or not.
"""

from typing import final

from aigateway.caller.identity import Caller
from aigateway.caller.people import User
from aigateway.clock import Clock
from aigateway.errors import NotAllowed
from aigateway.ledger.store import Directory
from aigateway.sessions.accounts import Accounts, key_document, user_document
from aigateway.sessions.bodies import document_in
from aigateway.sessions.callers import Callers
from aigateway.sessions.calls import ME, Reply, Request, Routes
from aigateway.sessions.query import nothing_asked

OWN_CHANGES = frozenset({"name"})
"""What people may change about themselves. An e-mail address may travel to a provider, so it is
the admin's to say."""


@final
class PeopleEndpoints:
    """Each call authenticates."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._accounts = Accounts(directory, clock)
        self._callers = Callers(directory, clock)

    def routes(self) -> Routes:
        return {
            "/users": {"GET": self.users, "POST": self.add_user},
            "/users/<user>": {
                "GET": self.user,
                "PATCH": self.change_user,
                "DELETE": self.delete_user,
            },
            "/users/<user>/keys": {"GET": self.keys, "POST": self.add_key},
            "/users/<user>/keys/<key_id>": {"DELETE": self.revoke_key},
        }

    async def users(self, request: Request) -> Reply:
        await self._callers.admin(request)
        nothing_asked(request.parameters)
        return Reply([user_document(one) for one in await self._directory.users()])

    async def add_user(self, request: Request) -> Reply:
        caller = await self._callers.admin(request)
        nothing_asked(request.parameters)
        made = await self._accounts.add_user(document_in(request), caller.initiator_id)
        return Reply(user_document(made), 201)

    async def user(self, request: Request, named: str) -> Reply:
        _, found = await self._asked_for(request, named)
        return Reply(user_document(found))

    async def change_user(self, request: Request, named: str) -> Reply:
        caller, found = await self._asked_for(request, named)
        document = document_in(request)
        if caller.role != "admin" and document.keys() - OWN_CHANGES:
            raise NotAllowed(f"You may change only {' and '.join(OWN_CHANGES)} yourself.")
        changed = await self._accounts.change_user(found.id, document, caller.initiator_id)
        return Reply(user_document(changed))

    async def delete_user(self, request: Request, named: str) -> Reply:
        caller, found = await self._asked_for(request, named)
        await self._accounts.delete_user(found.id, caller.initiator_id)
        return Reply(None, 204)

    async def keys(self, request: Request, named: str) -> Reply:
        _, owner = await self._asked_for(request, named)
        return Reply([key_document(key) for key in await self._directory.keys(owner.id)])

    async def add_key(self, request: Request, named: str) -> Reply:
        caller, owner = await self._asked_for(request, named)
        key, secret = await self._accounts.add_key(owner, document_in(request), caller.initiator_id)
        return Reply(key_document(key) | {"secret": secret}, 201)

    async def revoke_key(self, request: Request, named: str, key_id: str) -> Reply:
        caller, owner = await self._asked_for(request, named)
        await self._accounts.revoke_key(key_id, caller.initiator_id, owner)
        return Reply(None, 204)

    async def _asked_for(self, request: Request, named: str) -> tuple[Caller, User]:
        """Return who asks and about whom. Raises ``NotAllowed`` for anybody else's business."""
        caller = await self._callers.caller(request)
        nothing_asked(request.parameters)
        is_own = named in (ME, caller.initiator_id)
        if not is_own and caller.role != "admin":
            own = await self._directory.user(named)
            is_own = own is not None and own.id == caller.initiator_id
            if not is_own:
                raise NotAllowed("Only an admin may do this for others.")
        return caller, await self._accounts.user(caller.initiator_id if is_own else named)
