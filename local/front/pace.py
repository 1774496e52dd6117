"""How fast a streamed answer may flow: 6 MB at once, 2 MB a second after that.

(Lambda guide, "configuration-response-streaming", read 2026-07.)
"""

import asyncio
import time
from typing import final

BURST_BYTES = 6 * 1024 * 1024
BYTES_PER_SECOND = 2 * 1024 * 1024


@final
class Pace:
    """Counts what one answer has sent, and holds it back."""

    def __init__(self) -> None:
        self._sent = 0
        self._slow_since = 0.0

    async def keep(self, size: int) -> None:
        """Wait until ``size`` more bytes, already sent, have had their time."""
        self._sent += size
        over = self._sent - BURST_BYTES
        if over <= 0:
            return
        self._slow_since = self._slow_since or time.monotonic()
        due = self._slow_since + over / BYTES_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.monotonic()))
