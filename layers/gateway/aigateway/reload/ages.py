"""Whether ages can be believed: a clock that was set ahead makes everything old at once."""

import logging
from typing import final

from aigateway.clock import Clock
from aigateway.reload.sweep import ORPHAN_AGE

AHEAD_SECONDS = 60.0
"""No clock drifts or is slewed so far from one tick to the next."""

logger = logging.getLogger(__name__)


@final
class Ages:
    """Compares the date with the clock that only measures, each time that it is asked.

    Once the date ran ahead, no age is believed for as long as an orphan is waited for: by then
    all that lives now has ended. A machine that slept has run ahead as well. What was so before
    the first time nobody knows.

    Not for a function, which is frozen between its runs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = self._difference()
        self._believed_from = clock.monotonic()

    def _difference(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    def are_believed(self) -> bool:
        """Tell whether what looks old is."""
        before, self._ahead = self._ahead, self._difference()
        if self._ahead - before >= AHEAD_SECONDS:
            seconds = ORPHAN_AGE.total_seconds()
            self._believed_from = self._clock.monotonic() + seconds
            logger.warning(
                "the clock ran ahead by %.0f s: nothing is swept for %.0f s",
                self._ahead - before,
                seconds,
            )
        return self._clock.monotonic() >= self._believed_from
