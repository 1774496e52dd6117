"""Provider documents as people write them, keys in clear: split into rows and keys."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from aigateway.addresses import Network
from aigateway.errors import RowInvalid
from aigateway.pool.checking import faults_of
from aigateway.pool.drafts import drafted
from aigateway.pool.providers import SecretRef


@final
@dataclass(frozen=True, slots=True)
class Split:
    """What provider documents hold.

    ``rows`` have references in place of keys; ``faults`` are positions and reasons of the
    documents that are none of them, and whose keys are left out.
    """

    rows: tuple[Mapping[str, Any], ...]
    keys: Mapping[SecretRef, str] = field(repr=False)
    faults: tuple[tuple[int, str], ...]


def documents_from(text: str) -> list[dict[str, Any]]:
    """Read a JSON array of provider documents. Raises ``RowInvalid``."""
    try:
        documents = json.loads(text)
    except (ValueError, RecursionError):
        raise RowInvalid("expected a JSON array") from None
    if not isinstance(documents, list) or not all(isinstance(d, dict) for d in documents):
        raise RowInvalid("expected a JSON array of objects")
    return documents


def split(documents: Sequence[Mapping[str, Any]], allowed: tuple[Network, ...]) -> Split:
    """Check each document on its own; of two with one name the first counts.

    The ids of keys follow from the keys: equal documents give equal rows.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    keys: dict[SecretRef, str] = {}
    faults: list[tuple[int, str]] = []
    for position, document in enumerate(documents):
        draft = drafted({"enabled": True, **document}, made=_id_of)
        found = {**faults_of(draft.document, allow_byok=True, allowed=allowed), **draft.faults}
        name = str(document.get("name"))
        if not found and name in rows:
            found = {"name": "is given twice"}
        if found:
            reasons = (f"{member}: {reason}" for member, reason in found.items())
            faults.append((position, "; ".join(reasons)))
        else:
            rows[name] = draft.document
            keys |= draft.keys
    return Split(tuple(rows.values()), keys, tuple(faults))


def _id_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]
