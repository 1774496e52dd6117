"""Brings home the records that functions could not store, from their log."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import final

from aigateway.clock import Clock, micros
from aigateway.errors import Conflict, LedgerFault
from aigateway.ledger.keeping import Job
from aigateway.ledger.log_lines import RecordTexts, objects_in
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import LineInvalid
from aigateway.reload.bringing import Bringing
from aigateway.reload.log_group import LogGroup, LogPage, LogUnreadable
from aigateway.telemetry.journal import Journal

KIND, NAME = "spilled", "log"
"""The job that remembers how far the log was read."""
RECORDS_A_RUN = 100
SECONDS_A_RUN = 20.0
FIRST_LOOK = timedelta(days=1)
ARRIVING = timedelta(minutes=5)
"""A line may be found so long after its time, so that much is read again."""
PATIENCE = timedelta(days=1)
"""A record that the store has refused for so long keeps the others waiting no more."""

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True)
class Search:
    """A search of the log that begins, or goes on with the page at ``token``."""

    since_ms: int
    until_ms: int
    token: str | None = None


@final
class FromLog:
    """Closes the records of a log, oldest first, some at a run.

    What was read is remembered by the page: a page is read again until the store has taken all of
    it, and so are lines of which others are missing. ``is_behind``: a search is not over.
    """

    def __init__(self, group: LogGroup, clock: Clock, journal: Journal) -> None:
        self._group = group
        self._clock = clock
        self._bringing = Bringing(clock, journal)
        self.is_behind = False

    async def run(self, store: Store) -> int:
        """Return how many records were closed. Raises ``LogUnreadable`` and ``LedgerFault``."""
        job = await store.keeping().job(KIND, NAME)
        search = self._search(job)
        texts, faults = RecordTexts(), list[LedgerFault]()
        deadline = self._clock.monotonic() + SECONDS_A_RUN
        closed, reached = 0, search
        try:
            while True:
                page = await self._group.page(search.since_ms, search.until_ms, search.token)
                closed += await self._take(store, page, texts, faults)
                search = replace(search, token=page.token)
                if not texts.unfinished and not faults:
                    reached = search
                is_enough = closed >= RECORDS_A_RUN and not texts.unfinished
                if page.token is None or faults or is_enough or self._clock.monotonic() >= deadline:
                    break
        except LogUnreadable:
            reached = replace(search, token=None)  # a token may have expired
            raise
        finally:
            is_over = search.token is None and not faults
            self.is_behind = not is_over
            await self._remember(store, job, self._next(search) if is_over else reached)
        if texts.unfinished:
            logger.warning("of %d spilled records lines are missing", texts.unfinished)
        if faults:
            raise faults[-1]
        return closed

    def _search(self, job: Job | None) -> Search:
        """Go on with the search under way, or begin where the last one ended."""
        now_ms = micros(self._clock.now()) // 1000
        if job is None:
            return Search(now_ms - _ms(FIRST_LOOK), now_ms)
        search = Search(**job.document)
        return search if search.token is not None else replace(search, until_ms=now_ms)

    def _next(self, search: Search) -> Search:
        since_ms = max(search.since_ms, search.until_ms - _ms(ARRIVING))
        return Search(since_ms, search.until_ms)

    async def _remember(self, store: Store, job: Job | None, search: Search) -> None:
        version = 1 if job is None else job.version + 1
        with suppress(Conflict):  # another run got further, or will come by here again
            await store.keeping().put_job(Job(KIND, NAME, version, asdict(search)))

    async def _take(
        self, store: Store, page: LogPage, texts: RecordTexts, faults: list[LedgerFault]
    ) -> int:
        closed = 0
        oldest_ms = micros(self._clock.now() - PATIENCE) // 1000
        for at_ms, name, line in _records(page, texts):
            try:
                closed += await self._bringing.bring(store, line)
            except LineInvalid as invalid:
                logger.warning("a spilled record cannot be read: %s", invalid)
            except LedgerFault as fault:
                if at_ms >= oldest_ms:
                    faults.append(fault)
                    break
                names = {"interception_id": name, "error": type(fault).__name__}
                logger.error("a spilled record is given up: see `aigw import-log`", extra=names)  # noqa: TRY400 - the store's words may say more than we log
        return closed


def _records(page: LogPage, texts: RecordTexts) -> Iterator[tuple[int, str, bytes]]:
    """Yield the time, the id and the text of each record of which all is there now."""
    for at_ms, line in page.lines:
        for fields in objects_in(line.encode(errors="surrogatepass")):
            try:
                text = texts.take(fields)
            except LineInvalid as invalid:
                logger.warning("a spilled record cannot be read: %s", invalid)
            else:
                if text is not None:
                    yield at_ms, str(fields.get("interception_id")), text


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
