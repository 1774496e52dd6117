"""The memory of a process, looked at every second, and whether it grows."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import fmean, linear_regression
from typing import final

from bench.load.plan import GROWTH_LIMIT_MIB, SLOPE_SECONDS, WARM_UP_SECONDS
from bench.processes import Peer

EVERY_SECONDS = 1.0
FEWEST = 2
"""A slope needs two points."""


@final
@dataclass(frozen=True, slots=True)
class Held:
    """Resident MiB, one figure a second, all streams open; ``bare``: an interpreter's own."""

    bare: float
    samples: tuple[float, ...]

    @property
    def warm(self) -> tuple[float, ...]:
        return self.samples[min(WARM_UP_SECONDS, len(self.samples) // 2) :]

    @property
    def growth(self) -> float:
        """MiB that the slope after the warm-up comes to by the end: least squares."""
        warm = self.warm
        if len(warm) < FEWEST:
            return 0.0
        return linear_regression(range(len(warm)), warm).slope * (len(warm) - 1)

    @property
    def grows(self) -> bool:
        return len(self.warm) >= SLOPE_SECONDS and self.growth > GROWTH_LIMIT_MIB

    @property
    def above_bare(self) -> float:
        return max(self.samples) - self.bare

    @property
    def usual(self) -> float:
        return fmean(self.warm)


@final
@dataclass(frozen=True, slots=True)
class Worked:
    """CPU per second of the run: of each process in cores, of the machine as a busy share."""

    cores: Mapping[str, float]
    busy: float


async def watched(peers: Mapping[str, Peer], seconds: float, bare: float) -> dict[str, Held]:
    """Look at the processes until the time is over."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    samples: dict[str, list[float]] = {name: [] for name in peers}
    for second in count(1):
        if second * EVERY_SECONDS > seconds:
            break
        await asyncio.sleep(began + second * EVERY_SECONDS - loop.time())
        for name, peer in peers.items():
            samples[name].append(peer.resident_mib())
    return {name: Held(bare, tuple(found)) for name, found in samples.items()}


def machine_ticks() -> tuple[int, int]:
    """Return what all processors together have worked and lived so far, in the same unit."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    spent = [int(field) for field in fields]
    idle = spent[3] + spent[4]
    return sum(spent) - idle, sum(spent)
