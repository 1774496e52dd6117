"""A receiver of remote writes, and what was sent to it before."""

import hashlib
from collections.abc import Sequence
from typing import final

from aigateway.ledger.store import Store
from aigateway.reload.publishing.memory import Known, State
from aigateway.reload.publishing.plan import plan_of
from aigateway.reload.publishing.push import PushFailed, RemoteWrite
from aigateway.telemetry.series import Series


def target_of(url: str, instance: str) -> str:
    """Name a receiver and what it is told we are, without showing the URL."""
    return hashlib.sha256(f"{url}\0{instance}".encode()).hexdigest()[:32]


@final
class Remote:
    """Pushes series by a plan. ``target`` tells receivers apart: each has heard other things."""

    def __init__(self, writing: RemoteWrite, target: str, *, has_twins: bool) -> None:
        self._writing = writing
        self._target = target
        self._has_twins = has_twins

    async def push(
        self, store: Store, owner: str, noted: bytes, series: Sequence[Series], now_ms: int
    ) -> int:
        """Note the attempt, push, then remember; return how many series were refused.

        ``noted`` is the state that the lease came with. Raises ``LedgerFault`` or ``PushFailed``.
        """
        state = State.read(noted, self._target)
        known = Known()
        if state.tick_ms is not None:
            known = Known.read(await store.publisher_text("KNOWN"), self._target)
        plan = plan_of(series, state, known, now_ms, has_twins=self._has_twins)
        if plan is None:
            raise PushFailed("clock", "the clock went back")
        await store.note_state(owner, plan.noted.written())
        pushed = await self._writing.push(plan)
        after = plan.known_without(pushed.unsent, known)
        await store.put_publisher_text("KNOWN", after.written(self._target))
        await store.note_state(owner, plan.done.written())
        return pushed.rejected

    async def push_unnoted(self, series: Sequence[Series], now_ms: int) -> None:
        """Push what is known without the store; nobody remembers it. Raises ``PushFailed``."""
        plan = plan_of(series, State(self._target), Known(), now_ms, has_twins=self._has_twins)
        if plan is not None:
            await self._writing.push(plan)
