"""The provider pool: one immutable state of all providers, and the one now in force."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from aigateway.addresses import Network
from aigateway.errors import NoSnapshot, RowInvalid
from aigateway.pool.providers import (
    PROVIDER_TYPES,
    Provider,
    ProviderFault,
    ProviderRow,
    provider_from,
)


@final
@dataclass(frozen=True, slots=True)
class Snapshot:
    """All providers at one time. ``version`` 0 is a pool that was never published."""

    version: int
    providers: Mapping[str, Provider]
    faults: Mapping[str, ProviderFault]


def snapshot_document(rows: Iterable[ProviderRow]) -> tuple[bytes, str]:
    """Return the published form of all rows, and its content hash.

    It holds the stored documents as they are, without secrets: equal rows give equal bytes.
    """
    documents = [dict(row.document) for row in sorted(rows, key=lambda row: row.name)]
    text = json.dumps({"providers": documents}, sort_keys=True, ensure_ascii=False).encode()
    return text, hashlib.sha256(text).hexdigest()


def snapshot_from(
    version: int, document: bytes, *, allow_byok: bool, allowed: tuple[Network, ...]
) -> Snapshot:
    """Build every provider of a published document; a broken one becomes a fault."""
    providers: dict[str, Provider] = {}
    faults: dict[str, ProviderFault] = {}
    rows: list[Mapping[str, Any]] = json.loads(document)["providers"]
    for row in rows:
        name = str(row.get("name"))
        try:
            providers[name] = provider_from(row, allow_byok=allow_byok, allowed=allowed)
        except RowInvalid as broken:
            kind = row.get("type")
            known = kind if kind in PROVIDER_TYPES else None
            enabled = row.get("enabled") is not False
            faults[name] = ProviderFault(name, known, str(broken), enabled)
    return Snapshot(version, providers, faults)


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
