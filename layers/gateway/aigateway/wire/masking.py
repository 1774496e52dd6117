"""Takes credentials out of text that is kept or shown."""

import re

FORMS = (
    r"aigw_[0-9a-f]{16}_[A-Za-z0-9_-]{8,}"
    r"|sk-[A-Za-z0-9_-]{8,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}"
    r"|AIza[A-Za-z0-9_-]{30,}"
)
"""The forms of keys that providers and we hand out."""

SIGN_IN = r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
"""A sign-in, such as with ChatGPT (RFC 7519)."""

NO_SIGN_IN = r"eyJ[A-Za-z0-9_-]*"
"""A word that begins like a sign-in and is none: then none begins within it either.

Behind ``SIGN_IN`` it takes the word as a whole, which is not looked through again from each place
that looks like a beginning; a key may lie in it all the same.
"""

BEARER = r"[A-Za-z0-9._~+/=-]{8,}"
"""What follows ``Bearer`` (RFC 6750 section 2.1)."""

CREDENTIAL = re.compile(
    rf"\b(?:{FORMS}|{SIGN_IN})|(?<=\bBearer ){BEARER}|\b(?P<word>{NO_SIGN_IN})", re.IGNORECASE
)
KEY = re.compile(rf"\b(?:{FORMS})", re.IGNORECASE)

SHOWN = 4


def masked(text: str) -> str:
    """Replace everything that looks like a credential by its beginning and three dots.

    Providers quote keys in their error messages; some of them in full.
    """
    return CREDENTIAL.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    if found.re is CREDENTIAL and found["word"] is not None:
        return KEY.sub(_hidden, found["word"])
    return found.group()[:SHOWN] + "..."


def mask(secret: str) -> str:
    """Return a hint that tells keys apart and opens nothing."""
    for least, shown in ((20, 4), (10, 2), (5, 1)):
        if len(secret) >= least:
            return f"{secret[:shown]}...{secret[-shown:]}"
    return "..."
