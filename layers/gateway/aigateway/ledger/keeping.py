"""The contract of what an operator does to a whole ledger: move it, age it, forget a user.

Apart from the store's other verbs, because no request needs them: ``Store.keeping`` loads it.
Everything is async and raises ``LedgerFault`` when the store cannot answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, final

from aigateway.interception import Closed, Opened


@final
@dataclass(frozen=True, slots=True)
class Aligned:
    """``changed`` of the ``examined`` records got another expiry; go on below ``place``.

    ``None``: there are no more.
    """

    examined: int
    changed: int
    place: str | None


@final
@dataclass(frozen=True, slots=True)
class Erased:
    """What one batch deleted. ``texts`` are prompts and answers, ``objects`` those in a bucket.

    ``pointers`` lead from a session id, a tool call or a response to a record.
    """

    interceptions: int = 0
    prompts: int = 0
    texts: int = 0
    pointers: int = 0
    sessions: int = 0
    objects: int = 0
    is_over: bool = False


@final
@dataclass(frozen=True, slots=True)
class Job:
    """Work that outlives a process. ``name`` is one of its ``kind``, ``document`` JSON.

    Each change makes the next ``version``; 0 is before the first.
    """

    kind: str
    name: str
    version: int
    document: Mapping[str, Any]


class Keeping(Protocol):
    """Bounded steps; whoever was killed between two of them begins again."""

    async def restore(self, opened: Opened, closed: Closed | None) -> bool:
        """Store a record as it was elsewhere, whole or not at all, in whatever order they come.

        Moves its session, texts and pointers, and no counter. Returns ``False``, changing
        nothing, if there is one of its id.
        """

    async def align(
        self, retention: timedelta | None, now: datetime, place: str | None, most: int
    ) -> Aligned:
        """Let up to ``most`` records below ``place`` expire by ``retention``, newest first.

        Their texts, pointers and sessions too. What has expired stays so.
        """

    async def erase(self, initiator_id: str, most: int) -> Erased:
        """Delete about ``most`` records of a user with all that belongs to them."""

    async def scrub(self) -> bool:
        """Overwrite what deletes left behind on a disk of ours; ``False``: busy, ask again."""

    async def job(self, kind: str, name: str) -> Job | None:
        """Return a job as it is now."""

    async def jobs(self, kind: str) -> tuple[Job, ...]:
        """Return all jobs of a kind, by name."""

    async def put_job(self, job: Job) -> None:
        """Store a job if the one before it is stored, else raise ``Conflict``."""
