"""The provider pool: one immutable state of all providers, and the one now in force."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

from aigateway.addresses import Network
from aigateway.errors import NoSnapshot, RowInvalid, SnapshotUnreadable
from aigateway.pool.outcomes import Outcome, members_of, outcomes_in
from aigateway.pool.providers import (
    PROVIDER_TYPES,
    Provider,
    ProviderFault,
    ProviderRow,
    provider_from,
)

NO_OUTCOMES: Mapping[str, Outcome] = MappingProxyType({})


@final
@dataclass(frozen=True, slots=True)
class Snapshot:
    """All providers at one time. ``version`` 0 is a pool that was never published.

    ``access`` are the access rules as they were published.
    """

    version: int
    providers: Mapping[str, Provider]
    faults: Mapping[str, ProviderFault]
    access: tuple[Mapping[str, Any], ...] = ()


def snapshot_document(
    rows: Iterable[ProviderRow],
    outcomes: Mapping[str, Outcome] = NO_OUTCOMES,
    access: Iterable[Mapping[str, Any]] = (),
) -> tuple[bytes, str]:
    """Return the published form of all rows, how they came out, and rules; and its content hash.

    It holds the stored documents as they are, without secrets: equal rows, outcomes and rules give
    equal bytes.
    """
    documents = [
        {**row.document, "name": row.name} for row in sorted(rows, key=lambda row: row.name)
    ]
    content = {
        "providers": documents,
        "outcomes": members_of(outcomes),
        "access": list(access),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    document = text.encode("utf-8", "surrogatepass")
    return document, _digest(document)


def _digest(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


def statuses(document: bytes) -> dict[str, Outcome]:
    """Return the outcomes of a published document by provider. Raises ``SnapshotUnreadable``."""
    return outcomes_in(_read(document).get("outcomes"))


def check(document: bytes, digest: str) -> None:
    """Raise ``SnapshotUnreadable`` unless a document is the one that the hash was made of."""
    if _digest(document) != digest:
        raise SnapshotUnreadable("its content is not what was published")


def _read(document: bytes) -> dict[str, Any]:
    try:
        read = json.loads(document)
    except (ValueError, RecursionError):
        raise SnapshotUnreadable("expected JSON") from None
    if not isinstance(read, dict):
        raise SnapshotUnreadable("expected a JSON object")
    return read


def snapshot_from(
    version: int, document: bytes, *, allow_byok: bool, allowed: tuple[Network, ...]
) -> Snapshot:
    """Build every provider of a published document; a broken one becomes a fault.

    So does one that the reload could not build. Raises ``SnapshotUnreadable``.
    """
    read = _read(document)
    rows, outcomes = read.get("providers"), outcomes_in(read.get("outcomes"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SnapshotUnreadable("expected a list of providers")
    providers: dict[str, Provider] = {}
    faults: dict[str, ProviderFault] = {}
    for row in rows:
        name = str(row.get("name"))
        try:
            provider = provider_from(row, allow_byok=allow_byok, allowed=allowed)
        except RowInvalid as broken:
            faults[name] = _fault(name, row, str(broken))
            continue
        outcome = outcomes.get(name)
        if outcome is not None and outcome.status == "error":
            faults[name] = _fault(name, row, outcome.reason or "the reload could not build it")
        else:
            providers[name] = provider
    return Snapshot(version, providers, faults, _access(read))


def _access(read: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    rules = read.get("access", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise SnapshotUnreadable("expected a list of access rules")
    return tuple(rules)


def _fault(name: str, row: Mapping[str, Any], reason: str) -> ProviderFault:
    kind = row.get("type")
    known = kind if kind in PROVIDER_TYPES else None
    return ProviderFault(name, known, reason, row.get("enabled") is not False)


@final
class Pool:
    """Holds the snapshot in force. A request keeps the one it began with."""

    def __init__(self) -> None:
        self._current: Snapshot | None = None

    @property
    def version(self) -> int:
        """The version in force; 0 before the first."""
        return self._current.version if self._current else 0

    def current(self) -> Snapshot:
        """Return the snapshot in force. Raises ``NoSnapshot`` before the first."""
        if self._current is None:
            raise NoSnapshot("no provider pool has been loaded yet")
        return self._current

    def replace(self, snapshot: Snapshot) -> None:
        self._current = snapshot
