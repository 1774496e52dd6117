"""A tick that brings home what a gateway could not store dies."""

from collections.abc import Mapping
from typing import final

from aigateway.ledger.spill_file import NAME
from tests.crash.errands.errand import Play
from tests.crash.errands.sweeping import LATER_SECONDS
from tests.crash.programs import OUTAGE

LOOKS = 2_000


@final
class Bringing:
    def __init__(self, play: Play) -> None:
        self.ledger = play.ledger
        self.arguments: Mapping[str, object] = {"ahead": LATER_SECONDS}
        self._play = play

    async def prepare(self) -> None:
        """Leave two records in the file: their clients have got whole answers."""
        folder = self.ledger.settings.state_dir
        outage, asking = folder / OUTAGE, self._play.asking
        outage.touch()
        for _ in range(2):
            await asking.follow("after")
        for _ in range(LOOKS):
            if (folder / NAME).exists() and (folder / NAME).read_bytes().count(b"\n") == 2:
                break
            await asking.look()
        else:
            raise AssertionError("nothing was spilled")
        outage.unlink()

    async def between(self) -> None:
        await self._play.asking.follow("after")

    async def problems(self) -> list[str]:
        is_left = (self.ledger.settings.state_dir / NAME).exists()
        return ["lines are left in the file"] if is_left else []
