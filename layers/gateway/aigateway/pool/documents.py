"""Provider documents as people write them, keys in clear: split into rows and keys."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from aigateway.addresses import Network
from aigateway.errors import RowInvalid
from aigateway.pool.providers import PRINTED, SecretRef, provider_from
from aigateway.wire.masking import mask

KEYS_LIMIT = 5


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
    """Check each document on its own; of two with one name the first counts."""
    rows: dict[str, Mapping[str, Any]] = {}
    keys: dict[SecretRef, str] = {}
    faults: list[tuple[int, str]] = []
    for position, document in enumerate(documents):
        try:
            row, found = _without_keys(document)
            name = provider_from(row, allow_byok=True, allowed=allowed).name
            if name in rows:
                raise RowInvalid("name: is given twice")  # noqa: TRY301 - a reason like the others
        except RowInvalid as wrong:
            faults.append((position, str(wrong)))
        else:
            rows[name] = row
            keys |= found
    return Split(tuple(rows.values()), keys, tuple(faults))


def _without_keys(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[SecretRef, str]]:
    """Replace the keys by references whose ids follow from the keys: equal keys, equal rows."""
    name, given = document.get("name"), document.get("api_keys") or []
    if not isinstance(given, list) or len(given) > KEYS_LIMIT:
        raise RowInvalid(f"api_keys: expected a list of at most {KEYS_LIMIT} keys")
    keys: dict[SecretRef, str] = {}
    for entry in given:
        key = entry.get("api_key") if isinstance(entry, dict) else entry
        if not isinstance(key, str) or not PRINTED.fullmatch(key):
            raise RowInvalid("api_keys: expected non-empty texts without blanks")
        key_id = hashlib.sha256(key.encode()).hexdigest()[:12]
        keys[SecretRef(str(name), key_id, mask(key))] = key
    if len(keys) != len(given):
        raise RowInvalid("api_keys: a key is given twice")
    references = [{"id": ref.key_id, "masked": ref.mask} for ref in keys]
    return {"enabled": True, **document, "api_keys": references}, keys
