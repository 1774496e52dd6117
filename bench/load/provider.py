"""The provider of the load: streams at the asked pace, and an account of what it was asked.

``python -m bench.load.provider`` prints its port and serves until it is ended. ``GET /_log`` is a
JSON object: by the number of a request how often it came, and whether its answer went out whole.
"""

import asyncio
import json
import sys
from collections import Counter
from functools import partial
from typing import final

from bench.load.conversation import answer
from bench.paced import EVENTS, GAP, NUMBER, Paced, number_in, serve, writes

DIALECTS = {b"messages": "messages", b"completions": "chat", b"responses": "responses"}


@final
class Account:
    """How often each request came, and which answers went out to the last byte."""

    def __init__(self) -> None:
        self.came: Counter[int] = Counter()
        self.whole: set[int] = set()

    def text(self) -> bytes:
        return json.dumps({n: [came, n in self.whole] for n, came in self.came.items()}).encode()


@final
class Provider(Paced):
    """Answers as the request says, and keeps account of it."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account

    def requested(self, head: bytes) -> None:
        if head.startswith(b"GET "):
            text = self._account.text()
            self.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(text) + text)
            return
        number = number_in(NUMBER, head)
        self._account.came[number] += 1
        name = head.split(b" ", 2)[1].rpartition(b"/")[2]
        events = answer(DIALECTS[name], number_in(EVENTS, head)).of(number)
        over = partial(self._account.whole.add, number)
        self.stream(writes(events), number_in(GAP, head) / 1e6, over)


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(partial(Provider, Account()))))
