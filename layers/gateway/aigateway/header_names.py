"""Names of headers that have a meaning of their own on the way, all in lower case."""

import re

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Of one connection only (RFC 9110 section 7.6.1), and ``Expect``, which our host answers."""

CREDENTIALS = frozenset(
    {
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"x-ai-gateway-token",
        b"x-coder-ai-governance-token",
        b"coder-session-token",
        b"cookie",
    }
)
NOT_FOR_PROVIDERS = (
    HOP_BY_HOP
    | CREDENTIALS
    | frozenset(
        {
            b"host",
            b"accept-encoding",
            b"content-length",
            b"forwarded",
            b"x-forwarded-for",
            b"x-forwarded-host",
            b"x-forwarded-port",
            b"x-forwarded-proto",
            b"via",
            b"x-coder-agent-firewall-session-id",
            b"x-coder-agent-firewall-sequence-number",
            b"x-coder-ai-governance-request-id",
            b"anthropic-workspace-id",
        }
    )
)
ACTOR = b"x-ai-bridge-actor"
"""How the headers begin by which a gateway of this kind tells a provider who asks."""

NOT_FOR_PROVIDERS_BEGINNINGS = (b"x-amzn-", b"x-amz-", b"cloudfront-", ACTOR)
TENANT_WITH_CENTRAL_KEY = frozenset({b"openai-organization", b"openai-project"})
NEEDED = frozenset({b"content-type", b"content-encoding", b"user-agent", b"anthropic-version"})
"""What a request cannot do without."""

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
"""A field name (RFC 9110 section 5.6.2)."""


def is_free(name: str) -> bool:
    """Whether a header of that name has no meaning here, so that an operator may use it."""
    plain = folded(name.encode("latin-1", "replace"))
    taken = NOT_FOR_PROVIDERS | TENANT_WITH_CENTRAL_KEY | NEEDED
    return (
        TOKEN.fullmatch(name) is not None
        and plain not in taken
        and not plain.startswith(NOT_FOR_PROVIDERS_BEGINNINGS)
    )


def folded(name: bytes) -> bytes:
    """Return the name in lower case, underscores as hyphens: some servers take them for those."""
    return name.lower().replace(b"_", b"-")
