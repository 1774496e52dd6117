"""A provider that does as little as it can: a fixed event stream, at the pace the request asks.

``python -m bench.upstream`` prints its port and serves until it is ended.
"""

import asyncio
import sys
from functools import partial
from typing import final

from bench.paced import EVENTS, GAP, Paced, number_in, serve, writes
from bench.traffic import stream


@final
class Upstream(Paced):
    """Makes each length of answer once, for all connections."""

    def __init__(self, answers: dict[int, tuple[bytes, ...]]) -> None:
        super().__init__()
        self._answers = answers

    def requested(self, head: bytes) -> None:
        events = number_in(EVENTS, head)
        if events not in self._answers:
            self._answers[events] = writes(stream(events))
        self.stream(self._answers[events], number_in(GAP, head) / 1e6)


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(partial(Upstream, {}))))
