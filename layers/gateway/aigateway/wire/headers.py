"""Which headers are dropped or added on the way to the provider and on the way back."""

from aigateway.header_names import (
    HOP_BY_HOP,
    NOT_FOR_PROVIDERS,
    NOT_FOR_PROVIDERS_BEGINNINGS,
    TENANT_WITH_CENTRAL_KEY,
    folded,
)
from aigateway.wire.messages import Headers, value, values

OURS = b"x-ai-gateway"
"""How the headers begin that say of an answer what only the gateway may say."""

NOT_FOR_CLIENTS = HOP_BY_HOP | frozenset({b"content-length", b"date", b"set-cookie", b"alt-svc"})


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    listed = b",".join(values(headers, b"connection"))
    return frozenset(name.strip().lower() for name in listed.split(b",") if name.strip())


def accept_encoding(headers: Headers, readable: frozenset[bytes]) -> bytes:
    """Return the client's codings without those the listener cannot decode.

    ``identity`` if the client sent none, or none that we can read. A wildcard would let the
    provider choose, so it is left out too.
    """
    wanted = b",".join(values(headers, b"accept-encoding"))
    kept = [
        coding.strip()
        for coding in wanted.split(b",")
        if coding.partition(b";")[0].strip().lower() in readable | {b"identity"}
    ]
    return b", ".join(kept) or b"identity"


def towards_provider(
    headers: Headers,
    *,
    credential: tuple[bytes, bytes] | None,
    central: bool,
    readable: frozenset[bytes],
    user_agent: bytes,
    added: Headers = (),
    ours: frozenset[bytes] = frozenset(),
) -> Headers:
    """Return what the provider gets of the client's headers, in their order.

    ``credential`` is the one header that authenticates there; ``central`` says that it is the
    deployment's. ``added`` are headers that the gateway sets, ``ours`` the names (lower case,
    hyphens) that nobody else may set, whether or not they are among them. Host and
    Content-Length are the sender's business.
    """
    dropped = NOT_FOR_PROVIDERS | _named_by_connection(headers) | ours
    if central:
        dropped |= TENANT_WITH_CENTRAL_KEY
    kept = [
        (name, content)
        for name, content in headers
        if not {name.lower(), plain := folded(name)} & dropped
        and not plain.startswith(NOT_FOR_PROVIDERS_BEGINNINGS)
    ]
    if value(headers, b"user-agent") is None:
        kept.append((b"user-agent", user_agent))
    kept.append((b"accept-encoding", accept_encoding(headers, readable)))
    kept.extend(added)
    if credential is not None:
        kept.append(credential)
    return tuple(kept)


def towards_client(headers: Headers, added: Headers = ()) -> Headers:
    """Return the provider's end-to-end headers, and ours behind them.

    Names in lower case, as ASGI wants them. The body is always sent chunked, so that its end is
    a step of its own: no Content-Length.
    """
    dropped = NOT_FOR_CLIENTS | _named_by_connection(headers)
    kept = ((name.lower(), content) for name, content in headers)
    passed = (
        (name, content)
        for name, content in kept
        if name not in dropped and not name.startswith(OURS)
    )
    return (*passed, *added)
