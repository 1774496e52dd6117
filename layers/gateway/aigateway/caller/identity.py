"""Who sends a request, and with whose key it goes on to the provider."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import final

from aigateway.caller.keys import holds_key, is_key_of, key_id_of
from aigateway.caller.people import Key, Role, User
from aigateway.caller.principals import Signer, entry_of
from aigateway.errors import InvalidKey, MissingKey
from aigateway.wire.masking import mask
from aigateway.wire.messages import Headers, text

GATEWAY_HEADERS = (b"x-ai-gateway-token", b"x-coder-ai-governance-token")
"""Either of them, filled, says: the other credential headers are the caller's own."""

AWS_SIGNATURE = "AWS4-"
"""How a header begins that signs the request for AWS (Signature Version 4, 4A): a Function URL
that asks for it has checked it, and no provider may see it."""


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated identity.

    ``key_id`` is the id of the gateway key that was shown, or ``iam:<id of the role or user>``.
    ``session_name`` is what a role's session calls itself, where that is to be the name in the
    records. Whoever may assume the role may choose it: no right may ever follow from it.
    """

    initiator_id: str
    username: str
    key_id: str
    role: Role
    groups: tuple[str, ...] = ()
    email: str | None = None
    session_name: str | None = None

    @property
    def recorded_name(self) -> str:
        return self.session_name or self.username


@final
@dataclass(frozen=True, slots=True)
class Presented:
    """``secret`` is the gateway key; ``own`` the header of the caller's own provider key.

    Where there is no gateway key, ``secret`` is who signed the request. Without ``own`` the
    deployment's key is used (centralized), with it the caller's (BYOK).
    ``spare`` is a second one, in the other of the two headers.
    """

    secret: str | Signer
    own: tuple[bytes, bytes] | None
    spare: tuple[bytes, bytes] | None = None

    def for_dialect(self, *, anthropic: bool) -> "Presented":
        """Pick the header that a provider of this family reads, where both are filled."""
        first = b"x-api-key" if anthropic else b"authorization"
        if self.spare is None or self.spare[0] != first:
            return self
        return Presented(self.secret, self.spare, self.own)

    def with_bearer(self) -> "Presented":
        """Show the caller's own key as a Bearer token, which is all that some providers read.

        A caller who signs for AWS has no other place for it than ``X-Api-Key``.
        """
        if self.own is None or self.own[0] != b"x-api-key":
            return self
        return replace(self, own=(b"authorization", b"Bearer " + self.own[1].strip()))

    @property
    def own_secret(self) -> str | None:
        """The caller's own key, without what stands before it in its header."""
        if self.own is None:
            return None
        value = self.own[1].decode("latin-1")
        return bearer(value) or value.strip()

    @property
    def own_hint(self) -> str | None:
        """The mask of the caller's own key."""
        return None if (secret := self.own_secret) is None else mask(secret)


def bearer(value: str) -> str | None:
    """Return the token of a Bearer credential: any case, exactly two fields (RFC 6750 2.1)."""
    fields = value.split()
    return fields[1] if len(fields) == 2 and fields[0].lower() == "bearer" else None  # noqa: PLR2004


def presented(headers: Headers, signer: Signer | None = None) -> Presented:
    """Find the gateway key, and the caller's own credentials beside it. Raises ``MissingKey``.

    ``signer`` is who signed the request, if AWS has checked a signature. It counts where there is
    no gateway key, and a value of another form is then the caller's own credential.

    Any of the headers is taken in every dialect. Of two gateway keys that in ``Authorization``
    counts. A value of another form never reaches the key store: alone it is reported as an
    unknown key. A header with a gateway key in it is never the caller's own credential.
    """
    authorization, api_key = text(headers, b"authorization"), text(headers, b"x-api-key")
    if authorization and authorization.startswith(AWS_SIGNATURE):
        authorization = None
    own = [
        (name, shown.encode("latin-1"))
        for name, shown in ((b"x-api-key", api_key), (b"authorization", authorization))
        if shown and not holds_key(shown)
    ]
    token = bearer(authorization or "")
    sent = [value for value in (token, api_key) if value]
    explicit = next((found for name in GATEWAY_HEADERS if (found := text(headers, name))), None)
    secret = explicit or next((value for value in sent if key_id_of(value)), signer)
    if secret is not None:
        own_key, spare = [*own, None, None][:2]
        return Presented(secret, own_key, spare)
    if not sent:
        raise MissingKey("no gateway key: send it as Authorization: Bearer or X-Api-Key")
    return Presented(sent[0], None)


def caller_of(secret: str, found: tuple[Key, User] | None, now: datetime) -> Caller:
    """Return the identity behind ``secret``. Raises ``InvalidKey`` with one text for all reasons.

    ``found`` is what the store holds under the key id inside ``secret``.
    """
    if found is not None:
        key, user = found
        if is_key_of(secret, key) and key.is_valid(now) and user.status == "active":
            return Caller(user.id, user.username, key.id, user.role, user.groups, user.email)
    raise InvalidKey("the gateway key is unknown, expired or revoked")


def signed_caller(signer: Signer, user: User | None) -> Caller:
    """Return the identity behind a signature. Raises ``InvalidKey`` with one text for all reasons.

    ``user`` is who has the signer's principal. Where its entry says so, the session's name is
    the username that is recorded; everything else is the user's all the same.
    """
    entries = () if user is None else map(entry_of, user.iam_principals)
    entry = next(
        (found for found in entries if found and found.principal == signer.principal), None
    )
    if user is None or entry is None or user.status != "active":
        raise InvalidKey("the AWS identity that signed the request is no active user here")
    return Caller(
        user.id,
        user.username,
        f"iam:{signer.id}",
        user.role,
        user.groups,
        user.email,
        session_name=signer.session_name if entry.named_by_session else None,
    )
