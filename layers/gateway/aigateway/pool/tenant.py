"""To whom at a provider the deployment's requests belong, as the ``settings`` of a row say it."""

import re
from collections.abc import Mapping

from aigateway.errors import RowInvalid
from aigateway.wire.messages import Headers

VALUE = re.compile(r"[!-~]{1,256}")
HEADERS: Mapping[str, Mapping[str, bytes]] = {
    "openai": {"organization": b"openai-organization", "project": b"openai-project"},
    "anthropic": {"workspace": b"anthropic-workspace-id"},
}
"""By ``_type``: members and their headers (API references of both vendors, "Authentication")."""

ELSEWHERE = "bedrock"
VERSION = 1


def tenant_from(settings: object, family: str) -> Headers:
    """Read the headers that go with the deployment's key. Raises ``RowInvalid``.

    ``family`` is the dialect family of the provider; settings of another one are refused.
    """
    if settings is None:
        return ()
    if not isinstance(settings, Mapping):
        raise RowInvalid("settings: expected an object")
    kind = settings.get("_type")
    if kind == ELSEWHERE:
        return ()
    if not isinstance(kind, str) or kind not in HEADERS or kind != family:
        raise RowInvalid("settings: expected a _type that fits the provider")
    if settings.get("_version") != VERSION or isinstance(settings["_version"], bool):
        raise RowInvalid(f"settings: expected _version {VERSION}")
    names = HEADERS[kind]
    if unknown := settings.keys() - names.keys() - {"_type", "_version"}:
        raise RowInvalid(f"settings: no member {min(map(str, unknown))[:64]!r} is known")
    found: list[tuple[bytes, bytes]] = []
    for member, header in names.items():
        value = settings.get(member)
        if value is None:
            continue
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            raise RowInvalid(f"settings: expected {member} without blanks, up to 256 characters")
        found.append((header, value.encode()))
    return tuple(found)
