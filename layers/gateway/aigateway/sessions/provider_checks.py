"""What stands against a drafted provider, as far as this deployment and its network tell."""

import asyncio
from collections.abc import Mapping
from typing import Any, final
from urllib.parse import urlsplit

from aigateway.addresses import may_be_dialled
from aigateway.errors import SecretUnavailable
from aigateway.outbound import Resolve
from aigateway.pool.checking import faults_of
from aigateway.pool.drafts import Draft
from aigateway.pool.key_lists import reference
from aigateway.pool.secrets import WritableSecrets
from aigateway.sessions.bodies import BodyInvalid
from aigateway.sessions.search import Fault
from aigateway.settings import Settings

PRIVATE = "the name resolves to an address that is private, link-local or reserved"


@final
class ProviderChecks:
    """Raises ``BodyInvalid`` with everything that is wrong."""

    def __init__(self, secrets: WritableSecrets, settings: Settings, resolve: Resolve) -> None:
        self._secrets = secrets
        self._settings = settings
        self._resolve = resolve

    async def check(
        self, draft: Draft, given: Mapping[str, Any], held: Mapping[str, Any] | None
    ) -> None:
        """What was wrong before, and is not touched, is no reason to refuse a change."""
        before = {} if held is None else self._faults(held)
        faults = {
            member: reason
            for member, reason in self._faults(draft.document).items()
            if member.partition(".")[0] in given or before.get(member) != reason
        }
        faults |= draft.faults
        if given.get("api_key_refs") and not self._secrets.reads_arns:
            faults.setdefault("api_key_refs", "this deployment keeps its keys in a file")
        if "api_keys" not in faults and await self._is_kept_already(draft):
            faults["api_keys"] = "a key is given twice"
        if (
            "base_url" in given
            and "base_url" not in faults
            and not await self._may_be_dialled(draft)
        ):
            faults["base_url"] = PRIVATE
        if faults:
            raise BodyInvalid([Fault(name, f"{text}.") for name, text in sorted(faults.items())])

    def _faults(self, document: Mapping[str, Any]) -> dict[str, str]:
        settings = self._settings
        return faults_of(
            document, allow_byok=settings.allow_byok, allowed=settings.allowed_private_cidrs
        )

    async def _is_kept_already(self, draft: Draft) -> bool:
        """Whether a new key is one that stays: one that cannot be read is taken to be another."""
        name = str(draft.document.get("name"))
        kept = {reference(name, entry) for entry in draft.document["api_keys"]}
        for ref in kept - draft.keys.keys() if draft.keys else ():
            try:
                if await self._secrets.key(ref) in draft.keys.values():
                    return True
            except SecretUnavailable:
                continue
        return False

    async def _may_be_dialled(self, draft: Draft) -> bool:
        """Whether all addresses of the host may be. One without any, today, is no fault."""
        parts = urlsplit(str(draft.document.get("base_url") or ""))
        if not parts.hostname:
            return True
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = await asyncio.to_thread(self._resolve, parts.hostname, port)
        except (OSError, UnicodeError):
            return True
        allowed = self._settings.allowed_private_cidrs
        return all(may_be_dialled(address, allowed) for address in found)
