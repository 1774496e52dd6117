"""Takes credentials out of text that is kept or shown."""

import re

FORMS = (
    r"aigw_[0-9a-f]{16}_[A-Za-z0-9_-]{8,}"
    r"|sk-[A-Za-z0-9_-]{8,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}"
    r"|AIza[A-Za-z0-9_-]{30,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
)
"""The forms of keys that providers and we hand out, sign-ins with ChatGPT (RFC 7519) included."""

BEARER = r"[A-Za-z0-9._~+/=-]{8,}"
"""What follows ``Bearer`` (RFC 6750 section 2.1)."""

CREDENTIAL = re.compile(rf"\b(?:{FORMS})|(?<=\bBearer ){BEARER}", re.IGNORECASE)

SHOWN = 4


def masked(text: str) -> str:
    """Replace everything that looks like a credential by its beginning and three dots.

    Providers quote keys in their error messages; some of them in full.
    """
    return CREDENTIAL.sub(lambda found: found.group()[:SHOWN] + "...", text)


def mask(secret: str) -> str:
    """Return a hint that tells keys apart and opens nothing."""
    for least, shown in ((20, 4), (10, 2), (5, 1)):
        if len(secret) >= least:
            return f"{secret[:shown]}...{secret[-shown:]}"
    return "..."
