"""``api_keys`` as people write it: kept ones by id, new ones in clear."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from aigateway.errors import RowInvalid
from aigateway.pool.providers import PRINTED, SecretRef
from aigateway.wire.masking import mask

KEYS_LIMIT = 5
KEY_LENGTH = 4096
SHOWN = frozenset({"id", "masked", "created_at"})
"""A kept key may be sent back as it was shown."""

NameKey = Callable[[str], str]


@final
@dataclass(frozen=True, slots=True)
class KeyList:
    """``entries`` are what a row holds; ``fresh`` the new keys; ``removed`` what it held before."""

    entries: tuple[Mapping[str, Any], ...] = ()
    fresh: Mapping[SecretRef, str] = field(default_factory=dict, repr=False)
    removed: tuple[SecretRef, ...] = ()


def random_id(_key: str) -> str:
    """Return an id that no secret has borne, so none can be deleted under a new key's feet."""
    return secrets.token_hex(6)


def reference(provider: str, entry: Mapping[str, Any]) -> SecretRef:
    return SecretRef(provider, str(entry["id"]), str(entry["masked"]))


def key_list(
    provider: str, given: object, held: Sequence[Mapping[str, Any]], made: NameKey
) -> KeyList:
    """Return the wanted keys: what is not in ``given`` goes. Raises ``RowInvalid``.

    ``made`` gives a new key its id.
    """
    if not isinstance(given, list) or len(given) > KEYS_LIMIT:
        raise RowInvalid(f"api_keys: expected a list of at most {KEYS_LIMIT} keys")
    by_id = {entry["id"]: entry for entry in held}
    entries: list[Mapping[str, Any]] = []
    fresh: dict[SecretRef, str] = {}
    for each in given:
        key_id, key = _entry(each)
        if key is None:
            if key_id not in by_id:
                raise RowInvalid("api_keys: there is no key of this id")
            entries.append(by_id[key_id])
        else:
            ref = SecretRef(provider, made(key), mask(key))
            fresh[ref] = key
            entries.append({"id": ref.key_id, "masked": ref.mask})
    ids = {entry["id"] for entry in entries}
    if len(ids) != len(entries) or len(set(fresh.values())) != len(fresh):
        raise RowInvalid("api_keys: a key is given twice")
    removed = (reference(provider, entry) for entry in held if entry["id"] not in ids)
    return KeyList(tuple(entries), fresh, tuple(removed))


def _entry(given: object) -> tuple[str | None, str | None]:
    """Read an entry: the id of a kept key, or a new key."""
    if isinstance(given, dict) and given.keys() <= SHOWN and isinstance(given.get("id"), str):
        return given["id"], None
    if isinstance(given, dict) and given.keys() == {"api_key"}:
        given = given["api_key"]
    elif isinstance(given, dict):
        raise RowInvalid("api_keys: expected either id or api_key in an entry")
    if not isinstance(given, str) or len(given) > KEY_LENGTH or not PRINTED.fullmatch(given):
        raise RowInvalid("api_keys: expected non-empty texts without blanks")
    return None, given
