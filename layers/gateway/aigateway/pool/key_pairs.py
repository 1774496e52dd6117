"""``settings`` of a provider as people write them: a pair of AWS keys in clear becomes a secret."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final
from uuid import uuid4

from aigateway.errors import RowInvalid
from aigateway.pool.key_lists import NameKey, reference
from aigateway.pool.providers import PRINTED, SecretRef
from aigateway.wire.masking import mask

PAIR = ("access_key", "access_key_secret")
REFERENCE, EXTERNAL_ID = "credentials_ref", "external_id"
BEDROCK = "bedrock"
LENGTH = 1024
KNOWN = frozenset(
    {
        "_type",
        "_version",
        "region",
        "protocol",
        "model",
        "small_fast_model",
        "role_arn",
        REFERENCE,
        EXTERNAL_ID,
        *PAIR,
    }
)
"""Of bedrock; anything else might be a key under another name, and is never stored."""


@final
@dataclass(frozen=True, slots=True)
class Settled:
    """``settings`` as a row holds them; ``fresh`` is the new pair; ``removed`` the one before."""

    settings: Mapping[str, Any] | None
    fresh: Mapping[SecretRef, str] = field(default_factory=dict, repr=False)
    removed: tuple[SecretRef, ...] = ()


def settled(provider: str, given: object, held: Mapping[str, Any] | None, made: NameKey) -> Settled:
    """Return the wanted settings. Raises ``RowInvalid``.

    Of the pair both keys are given together: two empty ones take it away, none leaves it as it
    is. The external id of a role is made here, once, and stays.
    """
    held = held or {}
    before = held.get(REFERENCE)
    old = () if before is None else (reference(provider, before),)
    if given is None:
        return Settled(None, removed=old)
    if not isinstance(given, Mapping):
        raise RowInvalid("settings: expected an object")
    for name in (REFERENCE, EXTERNAL_ID):
        if given.get(name, held.get(name)) != held.get(name):
            raise RowInvalid(f"settings.{name}: is made here, and cannot be changed")
    kept = {name: value for name, value in given.items() if name not in PAIR}
    kept |= {name: held[name] for name in (REFERENCE, EXTERNAL_ID) if name in held}
    pair = {name: given[name] for name in PAIR if name in given}
    if (pair or before) and given.get("_type") != BEDROCK:
        raise RowInvalid("settings: only those of _type bedrock have a pair of keys")
    if given.get("_type") == BEDROCK and not given.keys() <= KNOWN:
        raise RowInvalid("settings: there is a member that is not known")
    if kept.get("role_arn") and EXTERNAL_ID not in kept:
        kept[EXTERNAL_ID] = str(uuid4())
    if not pair:
        return Settled(kept)
    kept.pop(REFERENCE, None)
    if all(value == "" for value in pair.values()) and len(pair) == len(PAIR):
        return Settled(kept, removed=old)
    ref, text = _secret(provider, pair, made)
    kept[REFERENCE] = {"id": ref.key_id, "masked": ref.mask}
    return Settled(kept, {ref: text}, old)


def keeping_external_id(document: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row that was made anew, with the external id of the one that is ``held``."""
    settings, before = document.get("settings"), held.get("settings") or {}
    if not settings or EXTERNAL_ID not in settings or EXTERNAL_ID not in before:
        return dict(document)
    return {**document, "settings": {**settings, EXTERNAL_ID: before[EXTERNAL_ID]}}


def references(name: str, document: Mapping[str, Any]) -> set[SecretRef]:
    """Return what a row holds in secrets of this deployment: its keys, and its pair."""
    pair = (document.get("settings") or {}).get(REFERENCE)
    entries = [*(document.get("api_keys") or ()), *([pair] if pair else ())]
    return {reference(name, entry) for entry in entries}


def _secret(provider: str, pair: Mapping[str, Any], made: NameKey) -> tuple[SecretRef, str]:
    """Return one secret for both keys: they are of use only together."""
    if len(pair) != len(PAIR) or not all(
        isinstance(key, str) and len(key) <= LENGTH and PRINTED.fullmatch(key)
        for key in pair.values()
    ):
        raise RowInvalid("settings.access_key: expected it and access_key_secret, without blanks")
    text = json.dumps({name: pair[name] for name in PAIR}, separators=(",", ":"))
    return SecretRef(provider, made(text), mask(pair[PAIR[0]])), text
