"""What jobs that die have in common: something to do, another process that goes on, a look."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol, final

from tests.crash.hosts import Embedded
from tests.crash.ledgers import Ledger, Person
from tests.crash.scenes import Asking


@final
@dataclass(frozen=True, slots=True)
class Play:
    """Where a job is played. ``asking``: one client, who has asked and been answered.

    ``bare`` makes another ledger, of the same kind, with nothing in it.
    """

    ledger: Ledger
    host: Embedded
    person: Person
    asking: Asking
    random: Random
    bare: Callable[[], Awaitable[Ledger]]


class Errand(Protocol):
    """One job in one run, and the ledger that it works on."""

    ledger: Ledger

    @property
    def arguments(self) -> Mapping[str, object]:
        """What the next process is given."""

    async def prepare(self) -> None:
        """Leave something to do."""

    async def between(self) -> None:
        """Do what others do after the process died, and before another one goes on."""

    async def problems(self) -> list[str]:
        """Return what is not as it was promised, once another process has gone on."""
