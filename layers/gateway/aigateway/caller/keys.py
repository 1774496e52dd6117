"""Gateway keys: their form and their digest.

A key is ``aigw_<key id: 16 of [0-9a-f]>_<32 random bytes, base64url without padding>``. Only id,
SHA-256 and metadata are stored: 32 random bytes need no salt.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from aigateway.caller.people import Key

KEY_FORM = re.compile(r"aigw_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


def key_id_of(text: str) -> str | None:
    """Return the key id inside a gateway key; ``None`` for any other text."""
    found = KEY_FORM.fullmatch(text)
    return found.group(1) if found else None


def holds_key(text: str) -> bool:
    """Whether a gateway key stands anywhere in ``text``, in whatever scheme or list."""
    return KEY_FORM.search(text) is not None


def new_secret() -> str:
    """Make a key. This text is the only time that it exists in clear."""
    return f"aigw_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"


def digest(secret: str) -> str:
    """Return the SHA-256 of the whole key, as hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_key_of(secret: str, key: Key) -> bool:
    """Compare without telling by the time it takes how much of a guess was right."""
    return hmac.compare_digest(digest(secret), key.sha256)


def key_from(
    secret: str, user_id: str, name: str, created_at: datetime, expires_at: datetime | None
) -> Key:
    """Return what is stored of ``secret``. Raises ``ValueError`` when it has another form."""
    key_id = key_id_of(secret)
    if key_id is None:
        raise ValueError("expected a key of the form aigw_<16 hex digits>_<43 characters>")
    prefix = f"aigw_{key_id}"
    return Key(key_id, user_id, name, prefix, digest(secret), created_at, expires_at)
