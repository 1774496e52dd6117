"""Closes what was opened and never closed, finds late parents, deletes what has expired."""

from dataclasses import replace
from datetime import datetime, timedelta

from aigateway.errors import LedgerFault
from aigateway.interception import Closed, Opened
from aigateway.ledger.store import ParentQuery, Records
from aigateway.steps import orphaned, steps_of_closing
from aigateway.telemetry.journal import SILENT, Journal
from aigateway.transcript.facts import TokenUsage

ORPHAN_AGE = timedelta(minutes=20)
"""An exchange lives 15 minutes at most, and a closing write that is still under way must never
race the sweeper."""

EXCHANGE_LIMIT = timedelta(minutes=15)
PARENTS_AGE = timedelta(days=1)
"""A record whose parents cannot be asked for until then stays the root of its thread."""

ORPHANS_A_RUN = 100
EXPIRED_A_RUN = 1_000


async def sweep(records: Records, now: datetime, journal: Journal = SILENT) -> int:
    """Close orphans as abandoned, oldest first; return how many this run closed.

    One that cannot be closed stops no other: the last ``LedgerFault`` is raised at the end.
    """
    closed = 0
    failed: LedgerFault | None = None
    for opened in await records.orphans(now - ORPHAN_AGE, ORPHANS_A_RUN):
        try:
            abandoned = abandoned_record(opened, now, await records.remains(opened))
            steps = (*steps_of_closing(opened, abandoned), *orphaned())
            if await records.close(opened, abandoned, steps):
                closed += 1
                journal.closed(opened, abandoned, stored=True)
        except LedgerFault as fault:
            failed = fault
    if closed:
        journal.counted("OrphansClosed", closed)
    if failed is not None:
        raise failed
    return closed


async def repair_parents(records: Records, now: datetime) -> int:
    """Ask again whom records answer whose look-up had no answer; return how many were settled.

    One that has no parent is asked about until all that could be it are closed. One that cannot
    be asked about stops no other: the last ``LedgerFault`` is raised at the end.
    """
    settled = 0
    failed: LedgerFault | None = None
    for opened in await records.unparented(ORPHANS_A_RUN):
        query = ParentQuery.of(opened)
        age = now - opened.started_at
        try:
            parents = None if query is None else await records.parents(query)
            if parents is not None or age >= ORPHAN_AGE:
                settled += await records.repair_parent(opened, parents)
        except LedgerFault as fault:
            failed = fault
            if age >= PARENTS_AGE:
                settled += await records.repair_parent(opened, None)
    if failed is not None:
        raise failed
    return settled


async def purge(records: Records, now: datetime) -> int:
    """Delete expired items in a small batch, where the store does not do so by itself."""
    return await records.purge(now, EXPIRED_A_RUN)


def abandoned_record(opened: Opened, now: datetime, left: Closed | None = None) -> Closed:
    """Return the closing of a record that nobody will close any more; ``left``: what remains."""
    ended_at = min(now, opened.started_at + EXCHANGE_LIMIT)
    known = left or Closed(opened.id, "abandoned", ended_at)
    usages = [row.fact for row in known.rows if isinstance(row.fact, TokenUsage)]
    return replace(
        known,
        outcome="abandoned",
        ended_at=ended_at,
        error_type="unknown",
        usage_missing=not usages,
        usage_partial=any(usage.partial for usage in usages),
        parents_unknown=known.parents is None and _has_unknown_parents(opened),
    )


def _has_unknown_parents(opened: Opened) -> bool:
    """Without a client's session id the parents were looked for before the record was opened."""
    has_session = opened.lineage.client_session_id is not None
    return has_session and opened.parents is None and ParentQuery.of(opened) is not None
