"""Filters, reach and windows of a listing; what both stores share of paging.

A listing of sessions is ordered by a key that moves while somebody pages. So a walk is bound to
the millisecond of its first page, ``t0``: every later page shows each session where it stood
then. A session keeps its last eight activities for that.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Literal, final

from aigateway.clock import micros
from aigateway.errors import CursorInvalid
from aigateway.interception import Opened
from aigateway.ledger.rows import Interception
from aigateway.steps import CLOSED_LABELS
from aigateway.transcript.facts import Thought, TokenUsage

Listing = Literal["sessions", "interceptions"]
NameKind = Literal["models", "clients", "providers"]
NAME_LABELS: Mapping[NameKind, int] = {
    "models": CLOSED_LABELS.index("model"),
    "clients": CLOSED_LABELS.index("client"),
    "providers": CLOSED_LABELS.index("provider_name"),
}
INITIATOR_LABEL = CLOSED_LABELS.index("initiator_id")

EXAMINED_LIMIT = 5_000
"""Rows that one page looks at, beside those an offset drops, before it returns what it has."""
COUNT_LIMIT = 10_000
"""Rows that a count looks at before it stops being exact."""
PAGE_CHARACTERS = 4_000_000
"""Texts of one page: the platform refuses responses of 6 MB. (Lambda quota, read 2026-07.)"""
LAST_PROMPT_CHARACTERS = 200

CURSOR_VERSION = 1
CURSOR_LIMIT = 2048
SIGNATURE_BYTES = 8


@final
@dataclass(frozen=True, slots=True)
class Reach:
    """What a caller may see: everything, or one initiator's own (``initiator_id``)."""

    initiator_id: str | None


@final
@dataclass(frozen=True, slots=True)
class Filter:
    """All of it must hold for one and the same interception. ``None``: not asked.

    ``provider`` is a runtime type; ``model`` is exact; ``client`` ignores case; the bounds are
    inclusive, to the microsecond. ``session_id`` is the session as people see it.
    """

    initiator_id: str | None = None
    provider: str | None = None
    provider_name: str | None = None
    model: str | None = None
    client: str | None = None
    session_id: str | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None

    @property
    def asks_for_names(self) -> bool:
        """Any of provider, provider name, model and client is asked for."""
        return (self.provider, self.provider_name, self.model, self.client) != (None,) * 4

    @property
    def asks_for_time(self) -> bool:
        return self.started_after is not None or self.started_before is not None

    def fits_names(self, provider: str, provider_name: str, model: str, client: str) -> bool:
        """Whether one interception with these four is what was asked for."""
        return (
            self.provider in (None, provider)
            and self.provider_name in (None, provider_name)
            and self.model in (None, model)
            and (self.client is None or self.client.lower() == client.lower())
        )

    def fits_time(self, started_at: datetime) -> bool:
        return (self.started_after is None or self.started_after <= started_at) and (
            self.started_before is None or started_at <= self.started_before
        )

    def fits(self, opened: Opened) -> bool:
        """Whether this interception matches all that was asked for."""
        return (
            self.initiator_id in (None, opened.initiator_id)
            and self.session_id in (None, opened.session_id)
            and self.fits_names(
                opened.provider, opened.provider_name, opened.model, opened.client.name
            )
            and self.fits_time(opened.started_at)
        )


@final
@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a listing, and where it begins: at the top, or in one of three other places.

    ``cursor`` is the ``next_cursor`` of the page before; ``offset`` drops so many matching rows
    from the top; ``after`` is the id of a row that the page follows.
    ``inflight`` includes interceptions without an end and sessions of nothing else;
    ``auxiliary`` includes sessions of nothing but side requests. ``now`` hides what expired.
    """

    limit: int
    now: datetime
    cursor: str | None = None
    offset: int = 0
    after: str | None = None
    inflight: bool = False
    auxiliary: bool = False


@final
@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended. ``t0`` is in milliseconds; ``position`` is a key of the store's own.

    ``position`` stands for the last row that was *examined*, so that an empty page advances.
    ``skip`` is what is left of an offset that one page could not drop.
    """

    t0: int
    position: str
    skip: int = 0


def initiator_of(asked: Filter, reach: Reach) -> tuple[bool, str | None]:
    """Return whether anything can be seen at all, and the only initiator to look for."""
    if reach.initiator_id is None:
        return True, asked.initiator_id
    return asked.initiator_id in (None, reach.initiator_id), reach.initiator_id


def shows_session(window: Window, closed: int, closed_main: int, *, in_flight: bool) -> bool:
    """Whether a session with so many ended interceptions is listed.

    ``closed_main`` counts those of them that are no side requests; ``in_flight`` says that there
    are others without an end. Where those are asked for, they alone are a reason to list it.
    """
    if window.inflight and (in_flight or closed == 0):
        return True
    return closed_main > 0 or (closed > 0 and window.auxiliary)


def size_of(row: Interception) -> int:
    """Return the characters of a record's texts: what a page may hold too much of."""
    size = len(row.opened.prompt.text) if row.opened.prompt else 0
    for fact in (heard.fact for heard in row.closed.rows) if row.closed else ():
        if isinstance(fact, TokenUsage):
            size += len(fact.raw)
        else:
            size += len(fact.text) if isinstance(fact, Thought) else len(fact.input)
    return size


def place_at(t0: int, started: int, activities: Iterable[int]) -> int | None:
    """Return the millisecond at which a session stood in the list at ``t0``.

    ``activities`` are its last activity and the seven before it, in any order; ``started`` its
    first start. ``None``: it began after ``t0``. A session with more than eight activities since
    ``t0`` falls back to its start, so a walk may show it a second time.
    """
    before = [activity for activity in activities if activity <= t0]
    if before:
        return max(before)
    return started if started <= t0 else None


def names_in(
    keys: Iterable[Sequence[str]], initiator_id: str | None
) -> Mapping[NameKind, frozenset[str]]:
    """Return the names in the keys of closings' counters, those of one initiator or of all."""
    seen = [key for key in keys if initiator_id in (None, key[INITIATOR_LABEL])]
    return {kind: frozenset(key[place] for key in seen) for kind, place in NAME_LABELS.items()}


def page_of_names(names: Iterable[str], prefix: str, window: Window) -> tuple[str, ...]:
    """Return the names that begin so, whatever their case, in order, those of the window."""
    start = prefix.casefold()
    found = sorted({name for name in names if name.casefold().startswith(start)})
    return tuple(found[window.offset : window.offset + window.limit])


def filter_hash(listing: Listing, asked: Filter, window: Window) -> str:
    """Name a listing with its filter and its ``include`` words, not its page."""
    times = [None if at is None else micros(at) for at in astuple(asked)[-2:]]
    named = [listing, *astuple(asked)[:-2], *times, window.inflight, window.auxiliary]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def caller_hash(reach: Reach) -> str:
    """Name what a caller may see, without naming the caller."""
    return hashlib.sha256(json.dumps(reach.initiator_id).encode()).hexdigest()[:16]


def signed(cursor: Cursor, filter_hash: str, caller_hash: str, key: bytes) -> str:
    """Return the text that a client sends back for the next page."""
    named: dict[str, object] = {"v": CURSOR_VERSION, "t0": cursor.t0, "pos": cursor.position}
    named |= {"f": filter_hash, "c": caller_hash} | ({"skip": cursor.skip} if cursor.skip else {})
    text = json.dumps(named, separators=(",", ":")).encode()
    return _encoded(_signature(text, key) + text)


def unsigned(text: str, filter_hash: str, caller_hash: str, key: bytes) -> Cursor:
    """Read a cursor back.

    Raises ``CursorInvalid`` when it was altered, or belongs to another filter or caller.
    """
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) <= CURSOR_LIMIT else b""
    except ValueError:
        raw = b""
    signature, document = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    is_ours = hmac.compare_digest(signature, _signature(document, key))
    if not is_ours or _encoded(raw) != text:
        raise CursorInvalid("the cursor is not one of ours")
    named = json.loads(document)
    if (named["v"], named["f"], named["c"]) != (CURSOR_VERSION, filter_hash, caller_hash):
        raise CursorInvalid("the cursor belongs to other filters or another caller")
    return Cursor(named["t0"], named["pos"], named.get("skip", 0))


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _signature(text: bytes, key: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")[:SIGNATURE_BYTES]
