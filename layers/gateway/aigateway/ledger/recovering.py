"""A record that could not be closed in its time, closed from what was kept of it elsewhere.

It goes through the same closing as any other, so it is counted once, however often it is tried.
"""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from aigateway.interception import Closed, Opened
from aigateway.ledger.erase import erasure_of
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import EVERYTHING
from aigateway.steps import steps_of_closing

Fate = Literal["imported", "present", "late", "expired", "erased"]
"""``present``: it was closed before. ``late``: as abandoned, so that this became a detail of it.
``erased``: its user has been forgotten since."""


async def recovered(
    store: Store, opened: Opened, closed: Closed, now: datetime
) -> tuple[Fate, Opened]:
    """Close a record, which is opened first where that is missing too; return it as it is now.

    Raises ``LedgerFault``.
    """
    found = await store.interception(opened.id, EVERYTHING, now)
    if found is not None:
        opened = _merged(opened, found.opened)
    elif opened.expires_at is not None and opened.expires_at <= now:
        return "expired", opened
    elif await _is_erased(store, opened):
        return "erased", opened
    else:
        await store.keeping().restore(opened, None)
    is_open = found is None or found.closed is None
    if is_open and await store.close(opened, closed, steps_of_closing(opened, closed)):
        return "imported", opened
    return "late" if await store.late(opened, closed) else "present", opened


def _merged(kept: Opened, stored: Opened) -> Opened:
    """Take the texts and the expiry that are stored, and names as they were before being cut."""
    if kept.session_key != stored.session_key:
        return stored
    return replace(kept, prompt=stored.prompt or kept.prompt, expires_at=stored.expires_at)


async def _is_erased(store: Store, opened: Opened) -> bool:
    erasure = await erasure_of(store, opened.initiator_id)
    return erasure is not None and opened.started_at <= erasure.finishes_after
