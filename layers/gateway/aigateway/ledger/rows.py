"""What is read back: interceptions, sessions, pages of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, final

from aigateway.interception import Closed, Opened, Parents

Row = TypeVar("Row")


@final
@dataclass(frozen=True, slots=True)
class Interception:
    """A record as stored. ``closed`` is ``None`` while it is in flight.

    A *bare* one comes without its texts: no prompt, no rows, and of ``Closed`` only what lists
    and threads need. ``tokens``, ``cost_micros`` and ``calls`` are there in either form, also
    ``has_prompt``.
    ``payload_error`` names what is stored of the texts and could not be read, and why.
    """

    opened: Opened
    closed: Closed | None
    tokens: Mapping[str, int]
    calls: tuple[tuple[str, str], ...]
    has_prompt: bool
    bare: bool
    cost_micros: int | None = None
    payload_error: str | None = None

    @property
    def id(self) -> str:
        return self.opened.id

    @property
    def parents(self) -> Parents | None:
        return self.opened.parents or (self.closed.parents if self.closed else None)


def whole(opened: Opened, closed: Closed | None) -> Interception:
    """Return the record with all its texts."""
    return Interception(
        opened=opened,
        closed=closed,
        tokens=closed.tokens if closed else {},
        calls=closed.calls if closed else (),
        has_prompt=opened.prompt is not None,
        bare=False,
        cost_micros=closed.cost_micros if closed else None,
    )


@final
@dataclass(frozen=True, slots=True)
class Session:
    """The interceptions of one initiator with the same session key, summed up.

    ``key`` is the stored session key, ``id`` what people see. ``threads`` counts the roots that
    are neither side requests nor sub-agents'. ``last_prompt`` is cut at 200 characters.
    ``cost_micros`` leaves out what has no price; ``None`` where nothing has one.
    ``inflight`` is ``None`` unless it was asked for.
    """

    key: str
    id: str
    initiator_id: str
    initiator_username: str
    client: str
    metadata: Mapping[str, str | int]
    providers: tuple[str, ...]
    provider_names: tuple[str, ...]
    models: tuple[str, ...]
    started_at: datetime
    ended_at: datetime | None
    last_active_at: datetime
    last_prompt: str | None
    threads: int
    errors: int
    tokens: Mapping[str, int]
    cost_micros: int | None
    inflight: int | None


@final
@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """``next_cursor`` is ``None`` on the last page only; a page may hold less than was asked for.

    ``count`` is of all matching rows, whatever the page; it stops being exact past a bound.
    """

    rows: tuple[Row, ...]
    count: int
    count_exact: bool
    next_cursor: str | None
