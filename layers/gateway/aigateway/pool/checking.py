"""What is wrong with a provider document, all of it at once."""

from collections.abc import Mapping
from typing import Any

from aigateway.addresses import Network
from aigateway.errors import RowInvalid
from aigateway.pool.providers import provider_from

URL = "https://provider.invalid"
NEEDED = {"name": "provider", "base_url": URL}
PLAINEST: Mapping[str, Any] = {
    "type": "openai-compat",
    "api_keys": [],
    "api_key_refs": [],
    "settings": None,
}
"""With a name, a document that needs nothing more."""


def faults_of(
    document: Mapping[str, Any], *, allow_byok: bool, allowed: tuple[Network, ...]
) -> dict[str, str]:
    """Return the reason for each member at fault; one within another is joined by a dot.

    The document is built; a member at fault is taken out, and it is built again: so each rule
    stands only where the member is read. What is at fault because it is missing ends the rules
    of that type; the others still count.
    """
    left, faults, is_plain = dict(document), dict[str, str](), False
    while True:
        try:
            provider_from(left, allow_byok=allow_byok, allowed=allowed)
        except RowInvalid as wrong:
            member, _, reason = str(wrong).partition(": ")
            if member not in faults:
                faults[member] = reason
                left = _without(member, left)
            elif is_plain:
                return faults
            else:
                left, is_plain = _plain(left, PLAINEST), True
        else:
            return faults


def _without(member: str, document: dict[str, Any]) -> dict[str, Any]:
    outer, _, inner = member.partition(".")
    if inner and isinstance(document.get(outer), dict):
        kept = {name: value for name, value in document[outer].items() if name != inner}
        return {**document, outer: kept}
    left = {name: value for name, value in document.items() if name != member}
    if member == "type":
        return _plain(left, {"type": PLAINEST["type"]})
    return {**left, member: NEEDED[member]} if member in NEEDED else left


def _plain(document: dict[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, **members, "base_url": document.get("base_url") or URL}
