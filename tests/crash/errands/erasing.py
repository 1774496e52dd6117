"""The job that forgets a user dies."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import final

from aigateway.clock import SystemClock
from aigateway.ledger.erase import SETTLING, ask_to_erase, erasure_of
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.store import CounterKey
from tests.crash.errands.errand import Play
from tests.crash.scenes import Asking


@final
class Erasing:
    """Somebody else is forgotten than who asks in this run."""

    def __init__(self, play: Play) -> None:
        self.ledger = play.ledger
        self.arguments: Mapping[str, object] = {"ahead": SETTLING.total_seconds() + 60}
        self._play = play
        self._forgotten = ""
        self._counters: Mapping[CounterKey, Mapping[str, int]] = {}

    async def prepare(self) -> None:
        person = await self.ledger.add_person()
        asking: Asking = self._play.asking.of(person.secret)
        await asking.lead()
        await asking.follow("after")
        self._forgotten = person.id
        self._play.asking.sent += [each.without_record() for each in asking.sent]
        self._counters = await self.ledger.store.counters()
        await ask_to_erase(self.ledger.store, SystemClock(), person.id, person.id, "u-root")

    async def between(self) -> None:
        """Do nothing."""

    async def problems(self) -> list[str]:
        store, now = self.ledger.store, datetime.now(UTC)
        window = Window(50, now, inflight=True, auxiliary=True)
        told = []
        listed = await store.interceptions(Filter(self._forgotten), Reach(None), window)
        sessions = await store.sessions(Filter(self._forgotten), Reach(None), window)
        if listed.rows or sessions.rows:
            told.append(f"{len(listed.rows)} records, {len(sessions.rows)} sessions are left")
        receipt = await erasure_of(store, self._forgotten)
        if receipt is None or receipt.finished_at is None:
            told.append("there is no receipt")
        if await store.counters() != self._counters:
            told.append("counters have moved")
        return told
