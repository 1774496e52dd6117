"""Forgets a user: a job that any tick goes on with, and its receipt.

Its keys are revoked first. Gateways may take them a little longer, and what is in flight may be
closed much later, so the last batch comes when all of that is over. The job stays, as the proof.
Counters and the audit stay as well: they hold ids and names of accounts, nothing that was said.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, final
from uuid import uuid4

from aigateway.clock import Clock, from_micros, micros
from aigateway.errors import Conflict
from aigateway.ledger.keeping import Job
from aigateway.ledger.store import AuditEntry, Store

KIND = "erase"
SETTLING = timedelta(minutes=30)
"""Longer than keys are remembered, exchanges live and the sweeper waits."""
BATCH = 200
STEP_SECONDS = 20.0
"""A tick has other things to do."""
ATTEMPTS = 5
COUNTED = ("interceptions", "prompts", "texts", "pointers", "sessions", "objects", "lines")
"""``lines`` are those of files beside the ledger."""

Forgetting = Callable[[str], int]
"""Takes what a user left in files away, and returns how many lines that were; it may block."""


def no_files(_: str) -> int:
    """Forget nothing: this deployment keeps no file beside its ledger."""
    return 0


@final
@dataclass(frozen=True, slots=True)
class Erasure:
    """``deleted`` counts by kind; it may miss a batch whose process was killed."""

    user_id: str
    username: str
    actor_id: str
    asked_at: datetime
    finished_at: datetime | None = None
    deleted: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))

    @property
    def finishes_after(self) -> datetime:
        """Before that something of the user may still come in."""
        return self.asked_at + SETTLING


async def ask_to_erase(
    store: Store, clock: Clock, user_id: str, username: str, actor_id: str
) -> Erasure:
    """Revoke the user's keys and begin a job; one that is under way goes on as it is."""
    now = clock.now()
    for key in await store.keys(user_id):
        if key.is_valid(now):
            await store.put_key(replace(key, revoked_at=now))
    keeping = store.keeping()
    for _ in range(ATTEMPTS):
        job = await keeping.job(KIND, user_id)
        if job is not None and (running := _erasure(job)).finished_at is None:
            return running
        asked = Erasure(user_id, username, actor_id, now)
        try:
            await keeping.put_job(_job(asked, 1 if job is None else job.version + 1))
        except Conflict:
            continue
        entry = AuditEntry(str(uuid4()), now, actor_id, "user.erased", username, {})
        await store.audit(entry)
        return asked
    raise Conflict("others keep changing the job")


async def erasure_of(store: Store, user_id: str) -> Erasure | None:
    """Return the newest job about a user."""
    job = await store.keeping().job(KIND, user_id)
    return None if job is None else _erasure(job)


async def erase_due(store: Store, clock: Clock, forget: Forgetting = no_files) -> int:
    """Go on with all jobs that are not over; return how many records this run deleted."""
    deleted = 0
    for job in await store.keeping().jobs(KIND):
        erasure = _erasure(job)
        if erasure.finished_at is None:
            before = erasure.deleted["interceptions"]
            gone_on = await go_on(store, clock, erasure, forget)
            deleted += gone_on.deleted["interceptions"] - before
    return deleted


async def go_on(
    store: Store,
    clock: Clock,
    erasure: Erasure,
    forget: Forgetting = no_files,
    seconds: float = STEP_SECONDS,
) -> Erasure:
    """Delete batch by batch for so long, or until nothing is left; then what is in files.

    Raises ``LedgerFault``, and what ``forget`` raises: then it is not over.
    """
    keeping, deadline = store.keeping(), clock.monotonic() + seconds
    has_deleted = False
    while True:
        is_settled = clock.now() >= erasure.finishes_after
        erased = await keeping.erase(erasure.user_id, BATCH)
        has_deleted = has_deleted or bool(erased.interceptions or erased.sessions)
        is_done = erased.is_over
        if is_done and (has_deleted or is_settled):
            is_done = await keeping.scrub()
        lines = await asyncio.to_thread(forget, erasure.user_id) if erased.is_over else 0
        finished_at = clock.now() if is_done and is_settled else None
        erasure = await _noted(store, erasure, asdict(erased) | {"lines": lines}, finished_at)
        if erased.is_over or clock.monotonic() >= deadline:
            return erasure


async def _noted(
    store: Store, erasure: Erasure, counts: Mapping[str, int], finished_at: datetime | None
) -> Erasure:
    """Add a batch to the receipt, whoever else adds to it."""
    keeping = store.keeping()
    for _ in range(ATTEMPTS):
        job = await keeping.job(KIND, erasure.user_id)
        if job is None:
            return erasure
        known = _erasure(job)
        deleted = {name: known.deleted.get(name, 0) + counts[name] for name in COUNTED}
        noted = replace(known, deleted=deleted, finished_at=known.finished_at or finished_at)
        if noted == known:
            return known
        try:
            await keeping.put_job(_job(noted, job.version + 1))
        except Conflict:
            continue
        return noted
    raise Conflict("others keep changing the job")


def _job(erasure: Erasure, version: int) -> Job:
    times = {
        name: None if (at := getattr(erasure, name)) is None else micros(at)
        for name in ("asked_at", "finished_at")
    }
    return Job(KIND, erasure.user_id, version, asdict(erasure) | times)


def _erasure(job: Job) -> Erasure:
    named: dict[str, Any] = dict(job.document)
    times = {
        name: None if named[name] is None else from_micros(named[name])
        for name in ("asked_at", "finished_at")
    }
    return Erasure(**named | times)
