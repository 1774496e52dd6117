"""Query parameters → filters and windows; every fault is named in one answer.

Rules that need the store (does this user exist, this provider) come in as ``Known``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import final, get_args
from uuid import UUID

from aigateway.errors import Refusal
from aigateway.ledger.listing import Filter, Window
from aigateway.pool.providers import RuntimeType
from aigateway.sessions.instants import instant
from aigateway.sessions.search import Fault, pairs, prefix
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
        "offset",
        "provider",
        "provider_name",
        "q",
        "session_id",
        "started_after",
        "started_before",
    }
)
"""Of either list."""
SESSION_PARAMETERS = LIST_PARAMETERS | {"after_session_id"}
INTERCEPTION_PARAMETERS = LIST_PARAMETERS | {"after_id"}
NAME_PARAMETERS = frozenset({"limit", "offset", "q"})
DETAIL_PARAMETERS = frozenset({"after_id", "before_id", "initiator", "limit"})
NO_PARAMETERS: frozenset[str] = frozenset()

ROWS_DEFAULT, ROWS_MOST = 100, 1000
THREADS_DEFAULT, THREADS_MOST = 50, 200
OFFSET_MOST = 10_000
STARTS = ("cursor", "offset", "after_session_id", "after_id")
"""Where a page may begin: by one of them at most."""
INCLUDABLE = frozenset({"inflight", "auxiliary"})
RUNTIME_TYPES: tuple[str, ...] = get_args(RuntimeType)
INVALID_LIMIT = "Invalid pagination limit value."

NUMBER = re.compile(r"[0-9]{1,9}")
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


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


def asked(parameters: Parameters, allowed: frozenset[str], bare: str | None = None) -> Asked:
    """Keep what is allowed and has one value; the same value twice is one value.

    Of a list, what ``q`` says is put beside the plain parameters; ``bare`` is the one that a
    bare word in it means.
    """
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
    if "q" in values and allowed >= LIST_PARAMETERS:
        found, wrong = pairs(values.pop("q"), bare)
        faults += wrong
        _put_beside(found, values, faults)
    return Asked(values, tuple(faults))


def _put_beside(
    found: Sequence[tuple[str, str]], values: dict[str, str], faults: list[Fault]
) -> None:
    for name, value in found:
        if values.setdefault(name, value) != value:
            fault = Fault(name, "Given more than once, with different values.")
            faults += [] if fault in faults else [fault]


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
    offset = _offset(query.values, faults)
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
        offset=offset,
        after=get("after_session_id") or get("after_id"),
        inflight="inflight" in included,
        auxiliary="auxiliary" in included,
    )
    return wanted, window


def name_window(query: Asked, keys: tuple[str, ...], now: datetime) -> tuple[Window, str]:
    """Return which names to show, and how they begin. Raises ``QueryInvalid``.

    ``keys`` are those that the beginning may stand behind.
    """
    faults = list(query.faults)
    limit = _limit(query.values.get("limit"), ROWS_DEFAULT, ROWS_MOST, faults, zero_is_default=True)
    offset = _offset(query.values, faults)
    beginning, wrong = prefix(query.values.get("q", ""), keys)
    _refuse([*faults, *wrong])
    return Window(limit, now, offset=offset), beginning


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


def _offset(values: Mapping[str, str], faults: list[Fault]) -> int:
    given = [name for name in STARTS if name in values]
    faults += [Fault(name, f"Not together with {given[0]}.") for name in given[1:]]
    text = values.get("offset", "0")
    value = int(text) if NUMBER.fullmatch(text) else -1
    if not 0 <= value <= OFFSET_MOST:
        faults.append(Fault("offset", f"Expected 0 to {OFFSET_MOST}; beyond that use the cursor."))
    return value


def _instant(name: str, text: str | None, faults: list[Fault], *, up: bool) -> datetime | None:
    """Read a time. Records have microseconds: finer digits round into the asked range."""
    found = None if text is None else instant(text, up=up)
    if text is not None and found is None:
        detail = "Expected an RFC 3339 time, such as 2026-01-31T12:00:00Z."
        faults.append(Fault(name, detail))
    return found
