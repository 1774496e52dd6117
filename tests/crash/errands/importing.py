"""An import into another ledger dies."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import final

from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.transfer import line_of
from tests.crash.comparing import sessions_differ
from tests.crash.errands.errand import Play
from tests.crash.ledgers import Ledger
from tests.recount import rows_of


@final
class Importing:
    def __init__(self, play: Play, ledger: Ledger) -> None:
        self.ledger = ledger
        self._play = play
        self._file = ledger.settings.state_dir / "records.ndjson"
        self.arguments: Mapping[str, object] = {"file": str(self._file)}
        self._lines: list[bytes] = []

    async def prepare(self) -> None:
        """Export what this run's client has asked."""
        await self._play.asking.follow("after")
        rows = await rows_of(self._play.ledger.store, datetime.now(UTC))
        own = [row for row in rows if row.opened.initiator_id == self._play.person.id]
        self._lines = [line_of(row) for row in own if row.closed is not None]
        self._file.write_bytes(b"".join(self._lines))

    async def between(self) -> None:
        """Do nothing."""

    async def problems(self) -> list[str]:
        store, now = self.ledger.store, datetime.now(UTC)
        rows = await rows_of(store, now)
        told = [] if [line_of(row) for row in rows] == self._lines else ["the records differ"]
        window = Window(50, now, auxiliary=True)
        sessions = await store.sessions(Filter(), Reach(None), window)
        return [*told, *sessions_differ(sessions.rows, rows)]
