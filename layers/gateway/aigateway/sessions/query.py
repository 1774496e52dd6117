"""Query parameters → filters and windows; every fault is named in one answer.

Rules that need the store (does this user exist, this provider) come in as ``Known``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import final, get_args
from uuid import UUID

from aigateway.errors import Refusal
from aigateway.ledger.listing import Filter, Window
from aigateway.pool.providers import RuntimeType
from aigateway.sessions.threads import Thread

Parameters = Mapping[str, Sequence[str]]

LIST_PARAMETERS = frozenset(
    {
        "client",
        "cursor",
        "include",
        "initiator",
        "limit",
        "model",
        "provider",
        "provider_name",
        "session_id",
        "started_after",
        "started_before",
    }
)
DETAIL_PARAMETERS = frozenset({"after_id", "before_id", "initiator", "limit"})
NO_PARAMETERS: frozenset[str] = frozenset()

ROWS_DEFAULT, ROWS_MOST = 100, 1000
THREADS_DEFAULT, THREADS_MOST = 50, 200
INCLUDABLE = frozenset({"inflight", "auxiliary"})
RUNTIME_TYPES: tuple[str, ...] = get_args(RuntimeType)
INVALID_LIMIT = "Invalid pagination limit value."

NUMBER = re.compile(r"[0-9]{1,9}")
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
INSTANT = re.compile(
    r"(?P<second>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"(?P<zone>[Zz]|(?P<sign>[-+ ])(?P<hours>[0-9]{2}):(?P<minutes>[0-5][0-9]))"
)
"""RFC 3339 section 5.6. A blank before the offset is a plus that was not escaped in a query."""


@final
@dataclass(frozen=True, slots=True)
class Fault:
    field: str
    detail: str


@final
class QueryInvalid(Refusal):
    """Parameters that cannot be answered, all of them at once."""

    status, code = 400, "invalid_query"

    def __init__(self, faults: Sequence[Fault]) -> None:
        only_limit = all(fault.field == "limit" for fault in faults)
        super().__init__(INVALID_LIMIT if only_limit else "Query parameters have invalid values.")
        self.faults = tuple(faults)


@final
@dataclass(frozen=True, slots=True)
class Known:
    """What the store says about the names in a query.

    ``initiator_id`` is the user that ``initiator`` means, ``None`` where the caller may not know
    such a user.
    """

    initiator_id: str | None = None
    provider_names: frozenset[str] = frozenset()


@final
@dataclass(frozen=True, slots=True)
class ThreadWindow:
    """A page of threads: after one, directly before one, or from the first."""

    limit: int
    after_id: str | None = None
    before_id: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """``values`` holds the parameters that were given rightly, ``faults`` the others."""

    values: Mapping[str, str]
    faults: tuple[Fault, ...]


def asked(parameters: Parameters, allowed: frozenset[str]) -> Asked:
    """Keep what is allowed and has one value; the same value twice is one value."""
    values: dict[str, str] = {}
    faults: list[Fault] = []
    for name, given in parameters.items():
        if name not in allowed:
            faults.append(Fault(name, "Unknown parameter."))
        elif len(set(given)) > 1:
            faults.append(Fault(name, "Given more than once, with different values."))
        elif not given or not given[0]:
            faults.append(Fault(name, "Has no value."))
        else:
            values[name] = given[0]
    return Asked(values, tuple(faults))


def nothing_asked(parameters: Parameters) -> None:
    """Raise ``QueryInvalid`` if there is any parameter."""
    _refuse(asked(parameters, NO_PARAMETERS).faults)


def listing(query: Asked, known: Known, now: datetime) -> tuple[Filter, Window]:
    """Return what to list. Raises ``QueryInvalid``."""
    get, faults = query.values.get, list(query.faults)
    provider, provider_name = _provider(query.values, known, faults)
    after = _instant("started_after", get("started_after"), faults, up=True)
    before = _instant("started_before", get("started_before"), faults, up=False)
    if after is not None and before is not None and before <= after:
        faults.append(Fault("started_before", "Must be later than started_after."))
    _check_initiator(query.values, known, faults)
    included = frozenset(word.strip() for word in get("include", "").split(",") if word)
    if not included <= INCLUDABLE:
        faults.append(Fault("include", "Expected inflight, auxiliary, or both with a comma."))
    limit = _limit(get("limit"), ROWS_DEFAULT, ROWS_MOST, faults, zero_is_default=True)
    _refuse(faults)
    wanted = Filter(
        initiator_id=known.initiator_id,
        provider=provider,
        provider_name=provider_name,
        model=get("model"),
        client=get("client"),
        session_id=get("session_id"),
        started_after=after,
        started_before=before,
    )
    window = Window(
        limit=limit,
        now=now,
        cursor=get("cursor"),
        inflight="inflight" in included,
        auxiliary="auxiliary" in included,
    )
    return wanted, window


def thread_window(query: Asked, known: Known) -> ThreadWindow:
    """Return which threads of a session to show. Raises ``QueryInvalid``."""
    faults = list(query.faults)
    _check_initiator(query.values, known, faults)
    limit = _limit(query.values.get("limit"), THREADS_DEFAULT, THREADS_MOST, faults)
    ids: dict[str, str] = {}
    for name in ("after_id", "before_id"):
        text = query.values.get(name)
        if text is None:
            continue
        if UUID_FORM.fullmatch(text) is None:
            faults.append(Fault(name, "Expected the UUID of a thread."))
        else:
            ids[name] = str(UUID(text))
    if "after_id" in query.values and "before_id" in query.values:
        faults.append(Fault("before_id", "Not together with after_id."))
    _refuse(faults)
    return ThreadWindow(limit, ids.get("after_id"), ids.get("before_id"))


def page_of(threads: tuple[Thread, ...], window: ThreadWindow) -> tuple[Thread, ...]:
    """Cut a page, ascending in either direction. Raises ``QueryInvalid`` for a strange thread."""
    places = {thread.id: place for place, thread in enumerate(threads)}
    for name, thread_id in (("after_id", window.after_id), ("before_id", window.before_id)):
        if thread_id is not None and thread_id not in places:
            raise QueryInvalid([Fault(name, "No thread of this session.")])
    if window.before_id is not None:
        end = places[window.before_id]
        return threads[max(end - window.limit, 0) : end]
    start = 0 if window.after_id is None else places[window.after_id] + 1
    return threads[start : start + window.limit]


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise QueryInvalid(faults)


def _check_initiator(values: Mapping[str, str], known: Known, faults: list[Fault]) -> None:
    if "initiator" in values and known.initiator_id is None:
        faults.append(Fault("initiator", "No such user."))


def _provider(
    values: Mapping[str, str], known: Known, faults: list[Fault]
) -> tuple[str | None, str | None]:
    """Return runtime type and instance name; ``provider`` may be either."""
    provider, name = values.get("provider"), values.get("provider_name")
    if name is not None and name not in known.provider_names:
        faults.append(Fault("provider_name", "No such provider."))
    if provider is None or provider in RUNTIME_TYPES:
        return provider, name
    if provider not in known.provider_names:
        types = ", ".join(RUNTIME_TYPES)
        faults.append(Fault("provider", f"Expected {types} or the name of a provider."))
    elif name not in (None, provider):
        faults.append(Fault("provider_name", "Names another provider than the parameter provider."))
    return None, provider


def _limit(
    text: str | None, default: int, most: int, faults: list[Fault], *, zero_is_default: bool = False
) -> int:
    if text is None:
        return default
    value = int(text) if NUMBER.fullmatch(text) else -1
    if value == 0 and zero_is_default:
        return default
    if not 1 <= value <= most:
        faults.append(Fault("limit", f"{INVALID_LIMIT} Expected 1 to {most}."))
    return value


def _instant(name: str, text: str | None, faults: list[Fault], *, up: bool) -> datetime | None:
    """Read a time. Records have microseconds: finer digits round into the asked range."""
    if text is None:
        return None
    try:
        return _instant_of(text, up=up)
    except (ValueError, OverflowError):
        detail = "Expected an RFC 3339 time, such as 2026-01-31T12:00:00Z."
        faults.append(Fault(name, detail))
        return None


def _instant_of(text: str, *, up: bool) -> datetime:
    found = INSTANT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    second = datetime.fromisoformat(found["second"].upper().replace(" ", "T"))
    nanoseconds = int((found["fraction"] or "").ljust(9, "0"))
    microseconds = -(-nanoseconds // 1000) if up else nanoseconds // 1000
    at = second.replace(tzinfo=_zone(found)).astimezone(UTC)
    return at + timedelta(microseconds=microseconds)


def _zone(found: re.Match[str]) -> timezone:
    if found["sign"] is None:
        return UTC
    offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return timezone(-offset if found["sign"] == "-" else offset)
