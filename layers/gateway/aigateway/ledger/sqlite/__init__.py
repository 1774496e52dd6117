"""The embedded store: one SQLite file, or one in memory, that a person can read with SQL."""

from pathlib import Path
from typing import final

from aigateway.ledger.keeping import Keeping
from aigateway.ledger.recall import COUNT_AGE, NAMES_AGE, Recall
from aigateway.ledger.sqlite.audit import SqliteAudit
from aigateway.ledger.sqlite.connection import Database
from aigateway.ledger.sqlite.directory import SqliteDirectory
from aigateway.ledger.sqlite.opening import Connecting
from aigateway.ledger.sqlite.people import SqlitePeople
from aigateway.ledger.sqlite.publisher import SqlitePublisher
from aigateway.ledger.sqlite.rates import SqliteRates
from aigateway.ledger.sqlite.reading import SqliteReading
from aigateway.ledger.sqlite.records import SqliteRecords
from aigateway.ledger.sqlite.totals import SqliteTotals


@final
class SqliteStore(
    SqliteRecords,
    SqliteReading,
    SqliteDirectory,
    SqlitePeople,
    SqliteAudit,
    SqliteTotals,
    SqliteRates,
    SqlitePublisher,
):
    """The ledger at ``path``, which several processes may open at once; in memory without one.

    Never on a network file system: locks do not hold there (sqlite.org/wal.html).
    ``connecting`` is for tests.
    """

    def __init__(self, path: Path | None = None, *, connecting: Connecting | None = None) -> None:
        self._database = Database(path, connecting) if connecting else Database(path)
        self._counts = Recall(COUNT_AGE)
        self._names = Recall(NAMES_AGE)

    async def start(self) -> None:
        await self._database.start()

    async def stop(self) -> None:
        await self._database.stop()

    def keeping(self) -> Keeping:
        from aigateway.ledger.sqlite.keeping import SqliteKeeping  # noqa: PLC0415 - no request needs it

        return SqliteKeeping(self._database)
