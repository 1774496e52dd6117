"""Users and their gateway keys: fields, names, roles."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, final, get_args

from aigateway.caller.principals import entry_of

Role = Literal["admin", "auditor", "member", "metrics"]
ROLES: tuple[Role, ...] = get_args(Role)
UserStatus = Literal["active", "suspended", "deleted"]

USERNAME = re.compile(r"[a-z0-9](-?[a-z0-9])*")
USERNAME_LIMIT = 64


@final
@dataclass(frozen=True, slots=True)
class User:
    """A person or a machine that may call the gateway. ``id`` is a UUID, ``username`` unique."""

    id: str
    username: str
    role: Role
    created_at: datetime
    status: UserStatus = "active"
    name: str | None = None
    email: str | None = None
    groups: tuple[str, ...] = ()
    iam_principals: tuple[str, ...] = ()

    @property
    def is_active_admin(self) -> bool:
        return self.role == "admin" and self.status == "active"

    @property
    def principals(self) -> tuple[str, ...]:
        """The AWS principals that the entries name, each once."""
        entries = (entry_of(text) for text in self.iam_principals)
        return tuple(dict.fromkeys(entry.principal for entry in entries if entry))


@final
@dataclass(frozen=True, slots=True)
class Key:
    """A gateway key without its secret: ``sha256`` (hex) is of the whole key text."""

    id: str
    user_id: str
    name: str
    prefix: str
    sha256: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def is_username(text: str) -> bool:
    """Lower-case letters and digits, single hyphens between them, at most 64 characters."""
    return len(text) <= USERNAME_LIMIT and USERNAME.fullmatch(text) is not None
