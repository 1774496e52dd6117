"""How much is sent, at which pace, and what the outcome is held to. Data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from bench.client import Broken

SECONDS, STREAMS = 600, 200
SMOKE_SECONDS, SMOKE_STREAMS = 10, 20

GAP_US = 40_000
"""An agent's model sends 20 to 50 events a second. At 25 a second 200 streams leave client,
provider and gateway room on two cores: of a machine that is full, waits say nothing."""

LASTING_SECONDS = (1, 4, 12, 2, 8, 20, 6, 30)
"""Streams of these lengths follow each other in every place, each place at another point."""

LONGEST_PART = 0.5
"""No stream lasts longer than this part of a run, so that a short run has ends in it too."""

BODY_BYTES = (4_000, 20_000, 60_000)
TURNS_OF_A_SESSION = 12
LEAVES_EVERY = 16
"""So often a client goes away in the middle of a stream."""

PROBE_EVENTS, PROBE_GAP_US, PROBE_BODY_BYTES = 12, 1_000, 20_000
PROBE_PAUSE_SECONDS = 0.05

WARM_UP_SECONDS = 120
"""Until each place had its longest stream a few times; of a short run it is the first half."""

SLOPE_SECONDS = 60
"""From a shorter time after the warm-up no growth can be told, so it fails no run."""

GROWTH_LIMIT_MIB = 4.0
"""What the slope of the memory after the warm-up may come to over the rest of a run."""
HELD_LIMIT_MIB = 160.0
"""What a process may hold above a bare interpreter with all streams open."""
RATIO_AIM = 3.0
BUSY = 0.9
"""From this share of the machine's processors on, waits are those of a full machine."""


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """``alone_seconds``: so long one request at a time is measured, before and after."""

    seconds: int
    streams: int
    smoke: bool = False

    @property
    def lasting(self) -> tuple[int, ...]:
        longest = max(self.seconds * LONGEST_PART, min(LASTING_SECONDS))
        return tuple(seconds for seconds in LASTING_SECONDS if seconds <= longest)

    @property
    def alone_seconds(self) -> float:
        return self.seconds / 15

    @property
    def ramp_seconds(self) -> float:
        """The streams begin one after the other: no two agents begin in one moment."""
        return min(self.seconds / 10, 8.0)


SMOKE = Plan(SMOKE_SECONDS, SMOKE_STREAMS, smoke=True)


def plan_of(environment: Mapping[str, str]) -> Plan:
    """Return the long plan, or what ``LOAD_SECONDS`` and ``LOAD_STREAMS`` make of it.

    Raises ``Broken``.
    """
    return Plan(
        _number(environment, "LOAD_SECONDS", SECONDS), _number(environment, "LOAD_STREAMS", STREAMS)
    )


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name, str(usual))
    if not text.isdecimal() or int(text) == 0:
        raise Broken(f"{name}: expected a whole number from 1 on")
    return int(text)
