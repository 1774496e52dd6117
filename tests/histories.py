"""Histories of people at work: many records, and what a list of them must show."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import final

from aigateway.interception import Opened
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.ledger.store import Store
from aigateway.steps import steps_of_closing
from tests.builders import a_closed, a_usage, an_opened

WRITTEN_TOGETHER = 200
SPAN_SECONDS = 20 * 86_400.0
"""Histories begin at the tests' zero and last that long."""


def rows_wanted(otherwise: int) -> int:
    """Return how many records to make: ``LISTING_ROWS``, which `make lists` sets."""
    return int(os.environ.get("LISTING_ROWS", otherwise))


def milliseconds(opened: Opened) -> int:
    return round(opened.started_at.timestamp() * 1000)


@final
@dataclass(slots=True)
class Remembered:
    """A session: every interception, and where it stands."""

    key: str
    place: int
    records: list[tuple[Opened, bool]] = field(default_factory=list)

    def add(self, opened: Opened, *, ended: bool) -> None:
        if opened.counts_as_activity:
            self.place = max(self.place, milliseconds(opened))
        self.records.append((opened, ended))

    def matches(self, asked: Filter, reach: Reach, window: Window) -> bool:
        ended = [opened for opened, is_ended in self.records if is_ended]
        is_open = window.inflight and len(ended) < len(self.records)
        is_main = any(not o.lineage.auxiliary for o in ended)
        if not (is_open or is_main or (ended and window.auxiliary)):
            return False
        return any(fits(row, asked, reach, window) for row in self.records)


def fits(row: tuple[Opened, bool], asked: Filter, reach: Reach, window: Window) -> bool:
    opened, is_ended = row
    return (
        (is_ended or window.inflight)
        and reach.initiator_id in (None, opened.initiator_id)
        and asked.fits(opened)
    )


@final
class Oracle:
    """The same history in a store and in plain lists."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sessions: dict[str, Remembered] = {}

    async def add(self, *rows: tuple[Opened, bool]) -> None:
        """Store records in this order, each of them ended or not."""
        for at in range(0, len(rows), WRITTEN_TOGETHER):
            some = rows[at : at + WRITTEN_TOGETHER]
            await asyncio.gather(*(self.store.open(opened) for opened, _ in some))
            await asyncio.gather(*(self._end(opened) for opened, is_ended in some if is_ended))
        for opened, is_ended in rows:
            new = Remembered(opened.session_key, milliseconds(opened))
            session = self.sessions.setdefault(opened.session_key, new)
            session.add(opened, ended=is_ended)

    async def _end(self, opened: Opened) -> None:
        closed = a_closed(opened, a_usage())
        await self.store.close(opened, closed, steps_of_closing(opened, closed))

    def matching(self, asked: Filter, reach: Reach, window: Window) -> list[str]:
        found = [s for s in self.sessions.values() if s.matches(asked, reach, window)]
        return [s.key for s in sorted(found, key=lambda s: (s.place, s.key), reverse=True)]

    def interceptions(self, asked: Filter, reach: Reach, window: Window) -> list[str]:
        found = [
            row[0]
            for session in self.sessions.values()
            for row in session.records
            if fits(row, asked, reach, window)
        ]
        found.sort(key=lambda opened: (opened.started_at, opened.id), reverse=True)
        return [opened.id for opened in found]


def _skewed(random: Random, names: list[str]) -> str:
    """Choose one name, the first far more often than the last."""
    return names[min(int(random.expovariate(3.0 / len(names))), len(names) - 1)]


@final
class People:
    """Makes records: users with sessions, programs, models and providers of their own taste."""

    def __init__(self, random: Random, rows: int) -> None:
        self.random = random
        self.users = [f"u-{number}" for number in range(max(rows // 250, 8))]
        self.names = [f"s-{number}" for number in range(max(rows // 8, 20))]
        self.models = [f"model-{number}" for number in range(25)]
        self.clients = ["Claude Code", "Codex", "OpenCode", "Copilot CLI", "Unknown"]
        self.providers = ["anthropic", "openai", "copilot"]

    def turn(self, seconds: float, name: str | None = None) -> tuple[Opened, bool]:
        """Make a record, in the session ``name`` or any other."""
        random = self.random
        chosen = name or (None if random.random() < 0.03 else self._current(seconds))
        own = Random(chosen or str(seconds))  # noqa: S311 - no secret; a session has one user
        initiator = _skewed(own, self.users)
        side = own.random() < 0.05
        taste = own if random.random() < 0.8 else random
        provider = _skewed(taste, self.providers)
        agent = "agent-1" if random.random() < 0.1 else None
        opened = an_opened(
            seconds,
            session=chosen,
            initiator_id=initiator,
            initiator_username="somebody",
            agent=agent,
            auxiliary=random.random() < (0.95 if side else 0.05),
            prompt="Go on." if random.random() < 0.3 else None,
            client=_skewed(taste, self.clients),
            provider=provider,
            provider_name=provider if random.random() < 0.9 else "rare",
            model=_skewed(taste, self.models),
        )
        return opened, random.random() < 0.98

    def _current(self, seconds: float) -> str:
        """Choose a session that people work in at that time: each lasts a while."""
        middle = int(seconds / SPAN_SECONDS * len(self.names)) + self.random.randint(-20, 20)
        return self.names[min(max(middle, 0), len(self.names) - 1)]

    def history(self, rows: int, begin: float = 0) -> Iterator[tuple[Opened, bool]]:
        """Make so many records, one after the other, from ``begin`` to the end of the span."""
        step = (SPAN_SECONDS - begin) / rows
        for number in range(rows):
            yield self.turn(round(begin + (number + self.random.random()) * step, 3))
