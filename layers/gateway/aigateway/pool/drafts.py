"""A provider as somebody wants it, keys in clear → its row, and the keys that belong to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, final

from aigateway.errors import RowInvalid
from aigateway.pool.key_lists import KEYS_LIMIT, KeyList, NameKey, key_list, random_id
from aigateway.pool.key_pairs import BEDROCK, Settled, settled
from aigateway.pool.providers import SecretRef

Value = TypeVar("Value")
Faults = dict[str, str]

FIXED = ("name", "type")
LISTS = frozenset({"api_key_refs", "extra_passthrough", "models_allow"})
"""Members of which an empty one says nothing."""

LABELS = {"display_name": 128, "icon": 2048}
"""Members for people, and how long they may be."""

MEMBERS = frozenset(
    {
        *FIXED,
        *LABELS,
        "api_key_refs",
        "api_keys",
        "base_url",
        "circuit_breaker",
        "enabled",
        "extra_passthrough",
        "first_byte_timeout_s",
        "idle_timeout_s",
        "inject_usage",
        "models_allow",
        "settings",
    }
)
OURS = frozenset({"created_at", "id", "status", "updated_at"})


@final
@dataclass(frozen=True, slots=True)
class Draft:
    """``keys`` are to be stored before the row, those ``removed`` deleted after it.

    ``faults``: a reason for each member that cannot be taken, as far as it shows here.
    """

    document: Mapping[str, Any]
    keys: Mapping[SecretRef, str] = field(repr=False)
    removed: tuple[SecretRef, ...]
    faults: Mapping[str, str]


def drafted(
    given: Mapping[str, Any], held: Mapping[str, Any] | None = None, made: NameKey = random_id
) -> Draft:
    """Return the row that comes of ``given``, of a new provider or over the one that is ``held``.

    ``None`` takes a member away. Name and type never change.
    """
    faults = {name: "cannot be set" for name in given if name in OURS}
    faults |= {name: "no such member" for name in given if name not in MEMBERS | OURS}
    before = held or {}
    for name in FIXED:
        if held is not None and given.get(name, held.get(name)) != held.get(name):
            faults[name] = "cannot be changed"
    wanted = {name: value for name, value in given.items() if name in MEMBERS - set(FIXED)}
    fixed = before if held is not None else given
    document = {**before, **{name: fixed[name] for name in FIXED if name in fixed}, **wanted}
    provider = str(document.get("name"))
    keys, pair = KeyList(tuple(before.get("api_keys") or ())), Settled(before.get("settings"))
    if "api_keys" in given or held is None:
        entries = [] if given.get("api_keys") is None else given["api_keys"]
        keys = _or(faults, keys, lambda: key_list(provider, entries, keys.entries, made))
    if "settings" in given:
        pair = _or(faults, pair, lambda: settled(provider, given["settings"], pair.settings, made))
    document |= {"api_keys": [dict(entry) for entry in keys.entries], "settings": pair.settings}
    _check(document, faults)
    present = {
        name: value
        for name, value in document.items()
        if value is not None and not (name in LISTS and value == [])
    }
    return Draft(present, {**keys.fresh, **pair.fresh}, (*keys.removed, *pair.removed), faults)


def _or(faults: Faults, otherwise: Value, read: Callable[[], Value]) -> Value:
    try:
        return read()
    except RowInvalid as wrong:
        member, _, reason = str(wrong).partition(": ")
        faults[member] = reason
        return otherwise


def _check(document: Mapping[str, Any], faults: Faults) -> None:
    """Find what no other place looks at: labels, all keys together, settings without a use."""
    for name, limit in LABELS.items():
        text = document.get(name)
        if text is not None and not (
            isinstance(text, str) and text.isprintable() and len(text) <= limit
        ):
            faults[name] = f"expected at most {limit} printable characters"
    for name in LISTS:
        value = document.get(name)
        if value is not None and not _is_list_of_texts(value):
            faults.setdefault(name, "expected a list of texts")
    if not isinstance(document.get("base_url"), str | None):
        faults["base_url"] = "expected a text"
    if not isinstance(document.get("circuit_breaker"), Mapping | None):
        faults["circuit_breaker"] = "expected an object"
    refs = document.get("api_key_refs")
    if isinstance(refs, list) and len(refs) + len(document["api_keys"]) > KEYS_LIMIT:
        faults.setdefault("api_key_refs", f"expected at most {KEYS_LIMIT} keys in all")
    kind, settings = document.get("type"), document.get("settings")
    of_bedrock = isinstance(settings, Mapping) and settings.get("_type") == BEDROCK
    if of_bedrock and kind not in ("anthropic", BEDROCK):
        faults.setdefault("settings", "only type anthropic or bedrock has those of bedrock")
    if kind == BEDROCK and not of_bedrock:
        faults.setdefault("settings", "type bedrock needs some of _type bedrock")


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
