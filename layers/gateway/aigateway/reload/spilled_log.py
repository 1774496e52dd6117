"""Brings home the records that functions could not store, from their log."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import final

from aigateway.clock import Clock, micros
from aigateway.errors import Conflict
from aigateway.ledger.keeping import Job
from aigateway.ledger.log_lines import RecordTexts, objects_in
from aigateway.ledger.store import Store
from aigateway.ledger.transfer import LineInvalid
from aigateway.reload.bringing import PATIENCE, Bringing, NotTaken
from aigateway.reload.log_group import LogGroup, LogPage, LogUnreadable
from aigateway.telemetry.journal import Journal

KIND, NAME = "spilled", "log"
"""The job that remembers how far the log was read."""
RECORDS_A_RUN = 100
SECONDS_A_RUN = 20.0
FIRST_LOOK = timedelta(days=1)
ARRIVING = timedelta(minutes=5)
"""A line may be found so long after its time, so that much is read again."""

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
    it, and so are lines of which others are missing. ``is_behind``: a search is not over, though
    the log answers, and not for a day.
    """

    def __init__(self, group: LogGroup, clock: Clock, journal: Journal) -> None:
        self._group = group
        self._clock = clock
        self._bringing = Bringing(clock, journal)
        self.is_behind = False

    async def run(self, store: Store) -> int:
        """Return how many records were closed. Raises ``LogUnreadable`` and ``LedgerFault``."""
        self.is_behind = False
        job = await store.keeping().job(KIND, NAME)
        search = reached = self._search(job)
        texts, faults = RecordTexts(), list[NotTaken]()
        deadline = self._clock.monotonic() + SECONDS_A_RUN
        closed, is_over = 0, False
        while not is_over and not faults and self._clock.monotonic() < deadline:
            if closed >= RECORDS_A_RUN and not texts.unfinished:
                break
            page = await self._page(store, job, search)
            closed += await self._take(store, page, texts, faults)
            is_over = page.token is None and not faults
            search = replace(search, token=page.token)
            if not texts.unfinished and not faults:
                reached = search
        self.is_behind = not is_over and search.until_ms > self._now_ms() - _ms(PATIENCE)
        await self._remember(store, job, _after(search) if is_over else reached)
        if is_over and texts.unfinished:
            logger.warning("of %d spilled records lines are missing", texts.unfinished)
        if faults:
            raise faults[-1]
        return closed

    async def _page(self, store: Store, job: Job | None, search: Search) -> LogPage:
        """Ask for a page; if there is no answer the search begins anew: its token may be stale."""
        try:
            return await self._group.page(search.since_ms, search.until_ms, search.token)
        except LogUnreadable:
            await self._remember(store, job, replace(search, token=None))
            raise

    def _search(self, job: Job | None) -> Search:
        """Go on with the search under way, or begin where the last one ended."""
        now_ms = self._now_ms()
        if job is None:
            return Search(now_ms - _ms(FIRST_LOOK), now_ms)
        search = Search(**job.document)
        return search if search.token is not None else replace(search, until_ms=now_ms)

    def _now_ms(self) -> int:
        return micros(self._clock.now()) // 1000

    async def _remember(self, store: Store, job: Job | None, search: Search) -> None:
        version = 1 if job is None else job.version + 1
        with suppress(Conflict):  # another run got further, or will come by here again
            await store.keeping().put_job(Job(KIND, NAME, version, asdict(search)))

    async def _take(
        self, store: Store, page: LogPage, texts: RecordTexts, faults: list[NotTaken]
    ) -> int:
        closed = 0
        for line in _records(page, texts):
            try:
                closed += await self._bringing.bring(store, line)
            except LineInvalid as invalid:
                logger.warning("a spilled record cannot be read: %s", invalid)
            except NotTaken as fault:
                if fault.is_young:
                    faults.append(fault)
                    break
                names = {"interception_id": fault.interception_id}
                logger.error("a spilled record is given up: see `aigw import-log`", extra=names)  # noqa: TRY400 - the store's words may say more than we log
        return closed


def _records(page: LogPage, texts: RecordTexts) -> Iterator[bytes]:
    """Yield each record of which all is there now."""
    for _, line in page.lines:
        for fields in objects_in(line.encode(errors="surrogatepass")):
            try:
                text = texts.take(fields)
            except LineInvalid as invalid:
                logger.warning("a spilled record cannot be read: %s", invalid)
            else:
                if text is not None:
                    yield text


def _after(search: Search) -> Search:
    """Return where the next search begins."""
    return replace(search, since_ms=max(search.since_ms, search.until_ms - _ms(ARRIVING)))


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
