"""A publisher of metrics dies. What a real Prometheus makes of that is ``tests/monitoring/``."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import final

from aigateway.telemetry.remote_write import Sample
from tests.crash.errands.errand import Play
from tests.crash.jobs import PUSHES
from tests.recount import Labels, Values, recounted, rows_of
from tests.remote_writes import samples_in

MINUTE, MICRO = 60.0, 1_000_000
ACCUMULATING = ("_total", "_count", "_bucket", "_sum")


@final
class Publishing:
    def __init__(self, play: Play) -> None:
        self.ledger = play.ledger
        self._play = play

    @property
    def arguments(self) -> Mapping[str, object]:
        """Each push comes a minute after the one before."""
        self.ledger.ahead += MINUTE
        return {"ahead": self.ledger.ahead}

    async def prepare(self) -> None:
        """Publish once, so that there is a state; then count something new."""
        if self.ledger.ahead == 0.0:
            assert await self._play.host.run("publish", self.ledger, self.arguments) == 0
        await self._play.asking.follow("after")

    async def between(self) -> None:
        await self._play.asking.follow("after")

    async def problems(self) -> list[str]:
        courses = self._courses()
        told = [
            f"a counter begins anew: {labels}"
            for labels, course in courses.items()
            if course != sorted(course)
        ]
        rows = await rows_of(self.ledger.store, datetime.now(UTC))
        meant = summed(recounted(rows))
        said = summed({labels: course[-1] for labels, course in courses.items()})
        told += [
            f"{name}: the receiver was told {said.get(name)}, the records say {amount}"
            for name, amount in meant.items()
            if amount and said.get(name) != amount
        ]
        return told

    def _courses(self) -> dict[Labels, list[float]]:
        """Return the values of each counter in the order of their times."""
        pushes = sorted((self.ledger.settings.state_dir / PUSHES).iterdir())
        samples = [each for push in pushes for each in samples_in(push.read_bytes())]
        courses: dict[Labels, list[Sample]] = defaultdict(list)
        for sample in samples:
            if dict(sample.labels)["__name__"].endswith(ACCUMULATING):
                courses[sample.labels].append(sample)
        return {
            labels: [s.value or 0.0 for s in sorted(course, key=lambda s: (s.at_ms, s.value))]
            for labels, course in courses.items()
        }


def summed(values: Values) -> dict[str, float]:
    """Return the sum of each family's series: names may have moved to ``other``."""
    sums: Counter[str] = Counter()
    for labels, value in values.items():
        sums[dict(labels)["__name__"]] += round(value * MICRO)
    return {name: amount / MICRO for name, amount in sums.items()}
