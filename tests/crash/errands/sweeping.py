"""The sweep dies, while one of the records that it takes for orphans is still being written."""

import asyncio
from collections.abc import Mapping
from typing import final

from tests.crash.errands.errand import Play

LATER_SECONDS = 31 * 60


@final
class Sweeping:
    def __init__(self, play: Play) -> None:
        self.ledger = play.ledger
        self.arguments: Mapping[str, object] = {"ahead": LATER_SECONDS}
        self._play = play
        self._leaving = asyncio.Event()
        self._living: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Leave two orphans, one of which answers a call, and an answer that goes on."""
        asking, secret = self._play.asking, self._play.person.other_secret
        orphans = [await asking.begun(secret), await asking.begun(secret, follows=True)]
        await self._play.host.end_gateways()
        await asyncio.gather(*orphans)
        self._living = await asking.begun(secret, leaving=self._leaving)

    async def between(self) -> None:
        """Let the client leave, so that its gateway closes what the sweep may have closed."""
        self._leaving.set()
        if self._living is not None:
            await self._living
        for _ in range(2):
            await self._play.asking.follow("after")

    async def problems(self) -> list[str]:
        return []
