"""The members of users and keys that a caller may set: what each takes, all faults at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final

from aigateway.caller.people import ROLES, User, is_username
from aigateway.caller.principals import entry_of
from aigateway.sessions.bodies import BodyInvalid, unknown
from aigateway.sessions.calls import ME
from aigateway.sessions.search import Fault

NAME_LIMIT, PERSON_LIMIT, EMAIL_LIMIT = 64, 128, 254
GROUPS_LIMIT, PRINCIPALS_LIMIT = 50, 20
USUAL_DAYS, LONGEST_DAYS = 90, 365
EMAIL = re.compile(r"[!-?A-~]+@[!-?A-~]+")
NEVER_CHANGED = ("id", "username", "created_at")
Read = Callable[[Any], Any]


@final
@dataclass(frozen=True, slots=True)
class WantedKey:
    """A key that somebody asks for."""

    name: str
    lifetime: timedelta


def new_user(document: Mapping[str, Any], user_id: str, now: datetime) -> User:
    """Return the user that a document describes. Raises ``BodyInvalid``."""
    read = _read(document, {"username": _username, **CHANGES}, required=("username",))
    made: dict[str, Any] = {"id": user_id, "created_at": now, "role": "member"}
    return User(**made | read)


def changes_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a user that a document sets. Raises ``BodyInvalid``."""
    if not document:
        raise BodyInvalid([Fault("", f"Expected at least one of {', '.join(CHANGES)}.")])
    return _read(document, {**CHANGES, **dict.fromkeys(NEVER_CHANGED, _never)})


def new_key(document: Mapping[str, Any]) -> WantedKey:
    """Return the key that a document asks for. Raises ``BodyInvalid``."""
    read = _read(document, {"name": _key_name, "lifetime_days": _days}, required=("name",))
    return WantedKey(read["name"], timedelta(days=read.get("lifetime_days", USUAL_DAYS)))


def _read(
    document: Mapping[str, Any], members: Mapping[str, Read], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    read: dict[str, Any] = {}
    faults = [*unknown(document, members)]
    faults += [Fault(name, "Is required.") for name in required if name not in document]
    for name in members.keys() & document.keys():
        try:
            read[name] = members[name](document[name])
        except ValueError as wrong:
            faults.append(Fault(name, f"Expected {wrong}."))
    if faults:
        raise BodyInvalid(sorted(faults, key=lambda fault: fault.field))
    return read


def _never(_: object) -> None:
    raise ValueError("nothing: this never changes")


def _username(value: object) -> str:
    if not isinstance(value, str) or not is_username(value) or value == ME:
        raise ValueError(
            "lower-case letters and digits, single hyphens between them, at most"
            f" {NAME_LIMIT} characters, and not {ME!r}"
        )
    return value


def _text(value: object, limit: int) -> str:
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= limit
        or not value.isprintable()
        or value != value.strip()
    ):
        raise ValueError(f"1 to {limit} printable characters, without a blank at either end")
    return value


def _person(value: object) -> str | None:
    return None if value is None else _text(value, PERSON_LIMIT)


def _key_name(value: object) -> str:
    return _text(value, NAME_LIMIT)


def _email(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > EMAIL_LIMIT or not EMAIL.fullmatch(value):
        raise ValueError(f"an e-mail address of at most {EMAIL_LIMIT} ASCII characters, or null")
    return value


def _one_of(*words: str) -> Read:
    def read(value: object) -> object:
        if value not in words:
            raise ValueError(" or ".join(words))
        return value

    return read


def _groups(value: object) -> tuple[str, ...]:
    return _list(value, GROUPS_LIMIT, lambda group: _text(group, NAME_LIMIT))


def _principals(value: object) -> tuple[str, ...]:
    entries = _list(value, PRINCIPALS_LIMIT, _principal)
    principals = {entry.principal for entry in map(entry_of, entries) if entry}
    if len(principals) != len(entries):
        raise ValueError("each AWS principal once: a role is told by its account and name alone")
    return entries


def _principal(value: object) -> str:
    if not isinstance(value, str) or entry_of(value) is None:
        raise ValueError(
            "the ARN of an IAM role or user, for a role maybe ' session_name=username' behind it"
        )
    return value


def _list(value: object, limit: int, read: Callable[[object], str]) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > limit:
        raise ValueError(f"a list of at most {limit}")
    members: list[str] = []
    for place, member in enumerate(value):
        try:
            members.append(read(member))
        except ValueError as wrong:
            raise ValueError(f"at place {place} {wrong}") from None
    if len(set(members)) != len(members):
        raise ValueError("each member once")
    return tuple(members)


def _days(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LONGEST_DAYS:
        raise ValueError(f"a number of days from 1 to {LONGEST_DAYS}")
    return value


CHANGES: Mapping[str, Read] = {
    "name": _person,
    "email": _email,
    "role": _one_of(*ROLES),
    "status": _one_of("active", "suspended"),
    "groups": _groups,
    "iam_principals": _principals,
}
