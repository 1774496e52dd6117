"""A provider's row → its document, with what the last reload made of it."""

import json
from collections.abc import Iterable
from typing import Any, final

from aigateway.errors import RowInvalid
from aigateway.ledger.store import Published
from aigateway.pool.providers import Provider, ProviderRow, ProviderStatus, provider_from
from aigateway.pool.snapshot import statuses
from aigateway.pool.stamps import provider_id
from aigateway.settings import Settings

Document = dict[str, Any]


@final
class Statuses:
    """What became of each row: as it was published, or as it would be built now."""

    def __init__(self, published: Published | None, settings: Settings) -> None:
        document = b"{}" if published is None else published.document
        self._outcomes = statuses(document)
        self._rows = {row.get("name"): row for row in json.loads(document).get("providers", ())}
        self._settings = settings

    def of(self, row: ProviderRow) -> Document:
        """A row that changed since is not what was published."""
        outcome = self._outcomes.get(row.name)
        if outcome is not None and self._rows.get(row.name) == row.document:
            return _status(outcome.status, outcome.reason, outcome.warnings)
        try:
            provider = built(row, self._settings)
        except RowInvalid as wrong:
            is_off = row.document.get("enabled") is False
            return _status("disabled" if is_off else "error", None if is_off else str(wrong))
        return _status("enabled" if provider.enabled else "disabled")


def _status(
    state: ProviderStatus, reason: str | None = None, warnings: Iterable[str] = ()
) -> Document:
    return {
        "state": state,
        **({} if reason is None else {"reason": reason}),
        "warnings": list(warnings),
    }


def built(row: ProviderRow, settings: Settings) -> Provider:
    """Build the provider of a row. Raises ``RowInvalid``."""
    return provider_from(
        row.document, allow_byok=settings.allow_byok, allowed=settings.allowed_private_cidrs
    )


def provider_document(row: ProviderRow, statuses: Statuses, settings: Settings) -> Document:
    """Return everything but the keys; members without a value have their default."""
    get = row.document.get
    return {
        "id": provider_id(row.name, row.document),
        "type": get("type"),
        "name": row.name,
        "display_name": get("display_name") or row.name,
        "icon": get("icon") or "",
        "enabled": get("enabled", True),
        "base_url": get("base_url") or _default_url(row, settings),
        "api_keys": [
            {**entry, "created_at": entry.get("created_at") or get("created_at")}
            for entry in _list(get("api_keys"))
        ],
        "api_key_refs": _list(get("api_key_refs")),
        "settings": get("settings"),
        "inject_usage": get("inject_usage", True),
        "first_byte_timeout_s": get("first_byte_timeout_s") or settings.first_byte_seconds,
        "idle_timeout_s": get("idle_timeout_s") or settings.idle_seconds,
        "models_allow": _list(get("models_allow")),
        "circuit_breaker": get("circuit_breaker"),
        "extra_passthrough": _list(get("extra_passthrough")),
        "status": statuses.of(row),
        "created_at": get("created_at"),
        "updated_at": get("updated_at"),
    }


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _default_url(row: ProviderRow, settings: Settings) -> str:
    try:
        url = built(row, settings).base_url
    except RowInvalid:
        return ""
    return f"{url.scheme}://{url.host_header.decode()}{url.path}"
