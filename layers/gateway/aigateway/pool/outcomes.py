"""How each provider came out of a reload: what is published of it beside its row."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final, get_args

from aigateway.addresses import Network
from aigateway.errors import RowInvalid, SecretStoreUnavailable, SecretUnavailable
from aigateway.pool.providers import (
    KEYLESS,
    Provider,
    ProviderRow,
    ProviderStatus,
    provider_from,
)
from aigateway.pool.secrets import Secrets

STATUSES = frozenset(get_args(ProviderStatus))


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """``reason``: why a provider of status ``error`` cannot serve; ``warnings`` stop nothing."""

    status: ProviderStatus
    reason: str | None = None
    warnings: tuple[str, ...] = ()


async def outcomes_of(
    rows: Iterable[ProviderRow],
    secrets: Secrets,
    *,
    allow_byok: bool,
    allowed: tuple[Network, ...],
) -> dict[str, Outcome]:
    """Build each provider on its own, and look whether its keys can be read; they are dropped.

    Raises ``SecretStoreUnavailable``: then nothing is known of any provider.
    """
    return {row.name: await _outcome(row, secrets, allow_byok, allowed) for row in rows}


async def _outcome(
    row: ProviderRow,
    secrets: Secrets,
    allow_byok: bool,  # noqa: FBT001 - private
    allowed: tuple[Network, ...],
) -> Outcome:
    """A provider that is switched off needs no keys, and what is wrong with it can wait."""
    try:
        provider = provider_from(
            {**row.document, "name": row.name}, allow_byok=allow_byok, allowed=allowed
        )
    except RowInvalid as broken:
        if row.document.get("enabled") is False:
            return Outcome("disabled", warnings=(str(broken),))
        return Outcome("error", str(broken))
    if not provider.enabled:
        return Outcome("disabled")
    unreadable = tuple([reason async for reason in _unreadable(provider, secrets)])
    if unreadable and len(unreadable) >= len(provider.credentials):
        return Outcome("error", unreadable[0])
    return Outcome("enabled", warnings=(*_warnings(provider), *unreadable))


async def _unreadable(provider: Provider, secrets: Secrets) -> AsyncIterator[str]:
    """Name the keys that cannot be read: of several, those that can still serve."""
    pair = provider.aws_keys
    for ref in provider.credentials if pair is None else (pair,):
        try:
            await secrets.key(ref)
        except SecretStoreUnavailable:
            raise
        except SecretUnavailable:
            member = "api_keys" if pair is None else "settings.credentials_ref"
            yield f"{member}: the key {ref.mask} cannot be read"


def _warnings(provider: Provider) -> Iterator[str]:
    if provider.credentials or provider.bedrock is not None:
        return
    if provider.type not in KEYLESS | {"openai-compat"}:
        yield "api_keys: there is none, so only callers with a key of their own are served"


def members_of(outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, Any]]:
    """Return the published form."""
    return {name: _member(outcome) for name, outcome in outcomes.items()}


def _member(outcome: Outcome) -> dict[str, Any]:
    member: dict[str, Any] = {"status": outcome.status}
    if outcome.reason is not None:
        member["reason"] = outcome.reason
    if outcome.warnings:
        member["warnings"] = list(outcome.warnings)
    return member


def outcomes_in(members: object) -> dict[str, Outcome]:
    """Read the published form; what another release wrote and this one cannot read is left out."""
    if not isinstance(members, dict):
        return {}
    return {
        str(name): Outcome(
            member["status"],
            str(member["reason"]) if "reason" in member else None,
            tuple(str(warning) for warning in member.get("warnings") or ()),
        )
        for name, member in members.items()
        if isinstance(member, dict) and member.get("status") in STATUSES
    }
