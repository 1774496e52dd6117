"""Who sends a request, and with whose key it goes on to the provider."""

from dataclasses import dataclass
from datetime import datetime
from typing import final

from aigateway.caller.keys import is_key_of, key_id_of, mask
from aigateway.caller.people import Key, Role, User
from aigateway.errors import InvalidKey, MissingKey
from aigateway.wire.messages import Headers, text

GATEWAY_HEADERS = (b"x-ai-gateway-token", b"x-coder-ai-governance-token")
"""Either of them, filled, says: the other credential headers are the caller's own."""

CREDENTIAL_HEADERS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated identity. ``key_id`` is the id of the gateway key that was shown."""

    initiator_id: str
    username: str
    key_id: str
    role: Role
    groups: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Presented:
    """``secret`` is the gateway key; ``own`` the header of the caller's own provider key.

    Without ``own`` the deployment's key is used (centralized), with it the caller's (BYOK).
    """

    secret: str
    own: tuple[bytes, bytes] | None

    @property
    def own_hint(self) -> str | None:
        """The mask of the caller's own key."""
        if self.own is None:
            return None
        value = self.own[1].decode("latin-1")
        return mask(bearer(value) or value.strip())


def bearer(value: str) -> str | None:
    """Return the token of a Bearer credential: any case, exactly two fields (RFC 6750 2.1)."""
    fields = value.split()
    return fields[1] if len(fields) == 2 and fields[0].lower() == "bearer" else None  # noqa: PLR2004


def presented(headers: Headers) -> Presented:
    """Find the gateway key, and the caller's own credential beside it. Raises ``MissingKey``.

    Any of the headers is taken in every dialect. Of two in the form of a gateway key
    ``Authorization`` counts; a value of another form is never tried against the key store, but
    reported as such where nothing else was sent.
    """
    authorization, api_key = text(headers, b"authorization"), text(headers, b"x-api-key")
    token = (bearer(authorization) or authorization) if authorization else None
    foreign = [
        (name, value)
        for name, shown, value in (
            (b"x-api-key", api_key, api_key),
            (b"authorization", authorization, token),
        )
        if shown and value and key_id_of(value) is None
    ]
    own = [(name, text(headers, name) or "") for name, _ in foreign]
    explicit = next((t for name in GATEWAY_HEADERS if (t := text(headers, name))), None)
    if explicit is not None:
        return Presented(explicit, _own(own))
    gateway = [value for value in (token, api_key) if value and key_id_of(value) is not None]
    if gateway:
        return Presented(gateway[0], _own(own))
    shown = token or api_key
    if shown is None:
        raise MissingKey("no gateway key: send it as Authorization: Bearer or X-Api-Key")
    return Presented(shown, None)


def _own(found: list[tuple[bytes, str]]) -> tuple[bytes, bytes] | None:
    return (found[0][0], found[0][1].encode("latin-1")) if found else None


def caller_of(secret: str, found: tuple[Key, User] | None, now: datetime) -> Caller:
    """Return the identity behind ``secret``. Raises ``InvalidKey`` with one text for all reasons.

    ``found`` is what the store holds under the key id inside ``secret``.
    """
    if found is not None:
        key, user = found
        if is_key_of(secret, key) and key.is_valid(now) and user.status == "active":
            return Caller(user.id, user.username, key.id, user.role, user.groups)
    raise InvalidKey("the gateway key is unknown, expired or revoked")
