"""What a provider's row says of itself: its id, and when it and its keys were made."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from aigateway.clock import time_text

OF_ROW = ("id", "created_at", "updated_at")


def provider_id(name: str, document: Mapping[str, Any]) -> str:
    """Return the id of a row; an old one without gets one that follows from its name."""
    return str(document.get("id") or uuid5(NAMESPACE_OID, f"aigw provider {name}"))


def stamped(
    document: Mapping[str, Any], held: Mapping[str, Any] | None, now: datetime
) -> dict[str, Any]:
    """Return the row of ``now``. What ``held`` knows of itself, and of keys that stay, is kept."""
    before, moment = held or {}, time_text(now)
    born = {entry["id"]: entry.get("created_at") for entry in before.get("api_keys") or ()}
    keys = [
        {**entry, "created_at": born.get(entry["id"]) or entry.get("created_at") or moment}
        for entry in document.get("api_keys") or ()
    ]
    return {
        **document,
        "api_keys": keys,
        "id": str(uuid4()) if held is None else provider_id(str(document["name"]), before),
        "created_at": before.get("created_at") or moment,
        "updated_at": moment,
    }


def unstamped(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without what it says of itself: rows of equal wishes are then equal."""
    rest = {name: value for name, value in document.items() if name not in OF_ROW}
    keys = [
        {name: value for name, value in entry.items() if name != "created_at"}
        for entry in rest.get("api_keys") or ()
    ]
    return {**rest, "api_keys": keys}
