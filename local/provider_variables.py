"""Providers that the environment of a start names: as JSON, by number, or in the oldest form.

    AIGW_PROVIDERS_JSON                 an array of provider documents
    AIGW_PROVIDER_<N>_<MEMBER>          numbers from 0 on, without a gap
    AIGW_OPENAI_KEY, AIGW_BEDROCK_…     one provider of each of three types

The latter two also under the older prefixes of settings. Errors hold names of variables only.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from aigateway.errors import RowInvalid, SettingsError
from aigateway.pool.documents import documents_from
from aigateway.settings import PREFIXES

JSON = "AIGW_PROVIDERS_JSON"
NUMBERED = re.compile(r"PROVIDER_(0|[1-9][0-9]{0,2})_([A-Z_]+)")
BEDROCK = {
    "BEDROCK_REGION": "region",
    "BEDROCK_ACCESS_KEY": "access_key",
    "BEDROCK_ACCESS_KEY_SECRET": "access_key_secret",
    "BEDROCK_MODEL": "model",
    "BEDROCK_SMALL_FAST_MODEL": "small_fast_model",
    "BEDROCK_ROLE_ARN": "role_arn",
    "BEDROCK_PROTOCOL": "protocol",
}
MEMBERS = frozenset({"TYPE", "NAME", "KEY", "KEYS", "BASE_URL", "BEDROCK_BASE_URL", *BEDROCK})
OLDEST: Mapping[str, frozenset[str]] = {
    "openai": frozenset({"OPENAI_KEY", "OPENAI_BASE_URL"}),
    "anthropic": frozenset({"ANTHROPIC_KEY", "ANTHROPIC_BASE_URL"}),
    "bedrock": frozenset({"BEDROCK_BASE_URL", *BEDROCK}),
}
Found = Mapping[str, tuple[str, str]]
"""What stands behind a prefix, to the whole name of the variable and its value."""


@final
@dataclass(frozen=True, slots=True)
class Named:
    """``documents`` hold keys in clear; ``places`` say where each comes from."""

    documents: tuple[dict[str, Any], ...]
    places: tuple[str, ...]


def named_providers(environment: Mapping[str, str]) -> Named | None:
    """Return what the environment names, ``None`` for nothing. Raises ``SettingsError``."""
    found = dict(_found(environment))
    numbered = {name: each for name, each in found.items() if NUMBERED.fullmatch(name)}
    oldest = {name: each for name, each in found.items() if name not in numbered}
    text = environment.get(JSON, "").strip()
    forms: list[tuple[str, Callable[[], Named]]] = []
    if text:
        forms.append((JSON, lambda: _from_json(text)))
    if numbered:
        forms.append((_first(numbered), lambda: _from_numbers(numbered)))
    if oldest:
        forms.append((_first(oldest), lambda: _from_oldest(oldest)))
    if len(forms) > 1:
        names = " and ".join(name for name, _ in forms)
        raise SettingsError([f"{names}: providers are named in more than one form"])
    return forms[0][1]() if forms else None


def _found(environment: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the variables of the latter two forms; of several prefixes the first counts."""
    oldest = frozenset().union(*OLDEST.values())
    for prefix in reversed(PREFIXES):
        for name, value in environment.items():
            rest = name.removeprefix(prefix)
            if rest != name and (rest in oldest or NUMBERED.fullmatch(rest)) and value.strip():
                yield rest, (name, value.strip())


def _first(found: Found) -> str:
    return min(name for name, _ in found.values())


def _from_json(text: str) -> Named:
    try:
        documents = documents_from(text)
    except RowInvalid as wrong:
        raise SettingsError([f"{JSON}: {wrong}"]) from None
    return Named(tuple(documents), tuple(f"{JSON}[{n}]" for n in range(len(documents))))


def _from_numbers(found: Found) -> Named:
    groups: dict[int, dict[str, str]] = {}
    places: dict[int, str] = {}
    problems: list[str] = []
    for name, (variable, value) in sorted(found.items()):
        number, member = _numbered(name)
        groups.setdefault(number, {})[member] = value
        places.setdefault(number, variable.removesuffix(f"_{member}"))
        if member not in MEMBERS:
            problems.append(f"{variable}: no such member of a provider")
    for number, place in sorted(places.items()):
        if number and number - 1 not in groups:
            problems.append(f"{place}: there is no number {number - 1} before it")
        if "TYPE" not in groups[number]:
            problems.append(f"{place}_TYPE: is missing")
        if {"KEY", "KEYS"} <= groups[number].keys():
            problems.append(f"{place}_KEY and {place}_KEYS: expected one of them")
    if problems:
        raise SettingsError(problems)
    order = sorted(groups)
    return Named(tuple(_document(groups[n]) for n in order), tuple(places[n] for n in order))


def _numbered(name: str) -> tuple[int, str]:
    number, _, member = name.removeprefix("PROVIDER_").partition("_")
    return int(number), member


def _from_oldest(found: Found) -> Named:
    documents, places = [], []
    for kind, names in OLDEST.items():
        group = {name: found[name][1] for name in names if name in found}
        if group:
            beginning = f"{kind.upper()}_"
            rest = {name.removeprefix(beginning): value for name, value in group.items()}
            documents.append(_document({"TYPE": kind, **(group if kind == "bedrock" else rest)}))
            places.append(f"AIGW_{beginning}…")
    return Named(tuple(documents), tuple(places))


def _document(group: Mapping[str, str]) -> dict[str, Any]:
    kind = group["TYPE"]
    document: dict[str, Any] = {"type": kind, "name": group.get("NAME", kind)}
    url = group.get("BASE_URL") or group.get("BEDROCK_BASE_URL")
    if url:
        document["base_url"] = url
    keys = group.get("KEYS", group.get("KEY", "")).split(",") if kind != "bedrock" else []
    if kept := [key.strip() for key in keys if key.strip()]:
        document["api_keys"] = kept
    settings = {member: group[name] for name, member in BEDROCK.items() if name in group}
    if settings or kind == "bedrock":
        document["settings"] = {"_type": "bedrock", "_version": 1, **settings}
    return document
