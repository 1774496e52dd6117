"""The calls about access rules: read all of them, or replace all of them."""

import json
import uuid
from collections.abc import Mapping
from typing import Any, final

from aigateway.caller.access import Rule, rules_from
from aigateway.clock import Clock
from aigateway.errors import Conflict, Refusal
from aigateway.ledger.store import AccessRules, AuditEntry, Directory
from aigateway.sessions.bodies import BodyInvalid, document_in, unknown
from aigateway.sessions.callers import Callers
from aigateway.sessions.calls import Reply, Request, Routes
from aigateway.sessions.kick import Kick, ask_for_reload
from aigateway.sessions.query import nothing_asked
from aigateway.sessions.search import Fault

MEMBERS = ("version", "rules")
CHANGES_LIMIT = 64 * 1024
"""Characters of an audit entry's changes; beyond them it only counts."""


@final
class VersionMoved(Refusal):
    """Somebody else replaced the rules since the caller read them."""

    status, code = 409, "version_moved"


@final
class AccessEndpoints:
    """Each call authenticates an admin. A change names the version that it was made from."""

    def __init__(self, callers: Callers, directory: Directory, clock: Clock, kick: Kick) -> None:
        self._callers = callers
        self._directory = directory
        self._clock = clock
        self._kick = kick

    def routes(self) -> Routes:
        return {"/access": {"GET": self.read, "PUT": self.replace}}

    async def read(self, request: Request) -> Reply:
        await self._callers.admin(request)
        nothing_asked(request.parameters)
        return Reply(rules_document(await self._directory.access_rules()))

    async def replace(self, request: Request) -> Reply:
        caller = await self._callers.admin(request)
        nothing_asked(request.parameters)
        wanted, faults = wanted_rules(document_in(request))
        if faults:
            raise BodyInvalid(faults)
        before = await self._directory.access_rules()
        try:
            await self._directory.put_access_rules(wanted.rules, wanted.version)
        except Conflict as moved:
            raise VersionMoved(
                f"The rules have version {before.version} by now: read them again."
            ) from moved
        after = AccessRules(wanted.version + 1, wanted.rules)
        await self._directory.audit(
            AuditEntry(
                id=str(uuid.uuid4()),
                at=self._clock.now(),
                actor_id=caller.initiator_id,
                action="access.replaced",
                target="access",
                changes=changes(before, after),
            )
        )
        await ask_for_reload(self._kick)
        return Reply(rules_document(after))


def rules_document(stored: AccessRules) -> dict[str, Any]:
    return {"version": stored.version, "rules": [rule.document() for rule in stored.rules]}


def wanted_rules(document: Mapping[str, Any]) -> tuple[AccessRules, list[Fault]]:
    """Read the rules that somebody wants, and the version that they were made from."""
    faults = list(unknown(document, MEMBERS))
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version < 2**53:
        faults.append(Fault("version", "Expected the version that was read, a number."))
        version = 0
    rules, wrong = rules_from(document.get("rules"))
    faults += [Fault(place, detail) for place, detail in wrong]
    return AccessRules(version, rules), faults


def changes(before: AccessRules, after: AccessRules) -> dict[str, object]:
    """Return which rules came and went; of very many only how many."""
    added = _only_in(after.rules, before.rules)
    removed = _only_in(before.rules, after.rules)
    listed = {"version": after.version, "added": added, "removed": removed}
    if len(json.dumps(listed)) <= CHANGES_LIMIT:
        return listed
    return {"version": after.version, "added": len(added), "removed": len(removed)}


def _only_in(rules: tuple[Rule, ...], others: tuple[Rule, ...]) -> list[dict[str, Any]]:
    known = set(others)
    return [rule.document() for rule in rules if rule not in known]
