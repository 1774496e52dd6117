"""AWS principals: what a user's entries name, and who signed a request.

An entry is the ARN of an IAM role or user, as IAM writes it. A request that a role signed comes
as ``arn:aws:sts::<account>:assumed-role/<role name>/<session name>``, without the role's path
(IAM user guide, "IAM identifiers"; read 2026-07). Role names are unique within an account
whatever their path, so account and name are what is compared; of a user the whole ARN is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

ENTRY = re.compile(
    r"arn:(aws[a-z-]*):iam::([0-9]{12}):(role|user)/((?:[!-~]{1,510}/)?)([\w+=,.@-]{1,64})"
    r"( session_name=username)?",
    re.ASCII,
)
ASSUMED = re.compile(
    r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([\w+=,.@-]{1,64})/([\w+=,.@-]{2,64})",
    re.ASCII,
)
USER = re.compile(
    r"arn:aws[a-z-]*:iam::[0-9]{12}:user/(?:[!-~]{1,510}/)?[\w+=,.@-]{1,64}", re.ASCII
)
UNIQUE_ID = re.compile(r"([A-Z0-9]{4,128})(?::.*)?", re.DOTALL)
"""A role's or user's unique id, for a role with ``:<session name>`` behind it."""


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One of a user's principals. ``named_by_session``: the session's name is the username."""

    principal: str
    named_by_session: bool


@final
@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request. ``principal`` is in the form of an entry's, ``id`` IAM's own id."""

    principal: str
    id: str
    session_name: str | None


def entry_of(text: str) -> Entry | None:
    """Read an entry: an ARN, and for a role maybe `` session_name=username`` behind it."""
    found = ENTRY.fullmatch(text)
    if found is None or (found[6] and found[3] == "user"):
        return None
    partition, account, kind, path, name, named = found.groups()
    if kind == "role":
        return Entry(_role(partition, account, name), bool(named))
    return Entry(f"arn:{partition}:iam::{account}:user/{path}{name}", named_by_session=False)


def signer_of(event: Mapping[str, Any] | None) -> Signer | None:
    """Read who signed from the event of a Function URL (payload 2.0) or a REST API (1.0).

    Both fill the members only after they have checked the signature; nobody who calls can.
    ``None`` where they did not, and for the account's root and federated sessions.
    """
    context = (event or {}).get("requestContext") or {}
    url = (context.get("authorizer") or {}).get("iam") or {}
    rest = context.get("identity") or {}
    arn, unique_id = (
        (url.get("userArn"), url.get("userId"))
        if url
        else (rest.get("userArn"), rest.get("caller"))
    )
    return _signer(arn or "", unique_id or "")


def _signer(arn: str, unique_id: str) -> Signer | None:
    numbered = UNIQUE_ID.fullmatch(unique_id)
    if numbered is None:
        return None
    if USER.fullmatch(arn):
        return Signer(arn, numbered[1], None)
    role = ASSUMED.fullmatch(arn)
    if role is None:
        return None
    return Signer(_role(role[1], role[2], role[3]), numbered[1], role[4])


def _role(partition: str, account: str, name: str) -> str:
    return f"arn:{partition}:iam::{account}:role/{name}"
