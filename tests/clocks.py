"""Clocks that tests hold still, or let run ahead."""

from datetime import datetime, timedelta
from typing import final

from tests.builders import T0


@final
class HeldClock:
    """Stands at the tests' zero until ``advance``; both of its times move together."""

    def __init__(self) -> None:
        self._seconds = 1_000.0
        self._now = T0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
        self._now += timedelta(seconds=seconds)

    def thaw_after(self, seconds: float) -> None:
        """Go on after so long a freeze: only the wall clock knows of it, which may be set back."""
        self._now += timedelta(seconds=seconds)


@final
class HurriedClock:
    """Between two looks at it three seconds pass, though the date stays."""

    def __init__(self) -> None:
        self._seconds = 1_000.0

    def now(self) -> datetime:
        return T0

    def monotonic(self) -> float:
        self._seconds += 3
        return self._seconds
