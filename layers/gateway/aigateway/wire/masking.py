"""Takes credentials out of text that is kept or shown."""

import re

CREDENTIAL = re.compile(
    r"\baigw_[0-9a-f]{16}_[A-Za-z0-9_-]{8,}"
    r"|\bsk-[A-Za-z0-9_-]{8,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{16,}"
    r"|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    r"|(?<=\bBearer )[A-Za-z0-9._~+/=-]{8,}",
    re.IGNORECASE,
)
"""The forms of keys that providers and we hand out, sign-ins with ChatGPT (RFC 7519) included."""

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
