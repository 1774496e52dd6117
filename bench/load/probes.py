"""One request at a time to the provider itself and through the gateway, in turn; a process.

``python -m bench.load.probes DIRECT GATEWAY SECONDS FIRST`` takes two ports, a time and the first
number of its requests; the key stands in ``BENCH_KEY``. It prints a JSON object: ``waits``, the
seconds to the first byte, direct and through the gateway, pair by pair; ``records``, by number.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from itertools import count
from typing import final

from bench.client import Answer, Connection
from bench.load.conversation import Asked
from bench.load.ledger import DIRECT
from bench.load.plan import PROBE_BODY_BYTES, PROBE_EVENTS, PROBE_GAP_US, PROBE_PAUSE_SECONDS
from bench.load.streams import check_body, record_in

HOST = "127.0.0.1"
FEWEST_PAIRS = 5
UNMEASURED_PAIRS = 3
"""The first request of a connection, and of a gateway, costs what later ones do not."""


@final
@dataclass(frozen=True, slots=True)
class Probed:
    """``waits``: seconds to the first byte, (direct, gateway). ``records``: by number."""

    waits: tuple[tuple[float, float], ...]
    records: dict[int, str]


def asked_as(number: int) -> Asked:
    return Asked(
        number=number,
        dialect="messages",
        events=PROBE_EVENTS,
        gap_us=PROBE_GAP_US,
        body_bytes=PROBE_BODY_BYTES,
        session="ffffffff-0000-4000-8000-000000000000",
    )


def probed(direct: int, gateway: int, seconds: float, first: int, key: str) -> Probed:
    """Ask both in turn, each first every second time. Raises ``Broken``."""
    connections = [Connection((HOST, port)) for port in (direct, gateway)]
    waits: list[tuple[float, float]] = []
    records: dict[int, str] = {}
    end = time.monotonic() + seconds
    for pair in count():
        if time.monotonic() >= end and len(waits) >= FEWEST_PAIRS:
            break
        asked = asked_as(first + pair)
        requests = (asked_as(DIRECT).bytes(key), asked.bytes(key))
        answers: list[Answer | None] = [None, None]
        for which in (0, 1) if pair % 2 else (1, 0):
            answers[which] = connections[which].exchange(requests[which])
        plain, relayed = answers
        assert plain is not None
        assert relayed is not None
        check_body(asked, relayed.body)
        if pair >= UNMEASURED_PAIRS:
            waits.append((plain.first, relayed.first))
        records[asked.number] = record_in(relayed.head)
        time.sleep(PROBE_PAUSE_SECONDS)
    for connection in connections:
        connection.close()
    return Probed(tuple(waits), records)


def main(arguments: list[str]) -> int:
    direct, gateway, seconds, first = arguments
    found = probed(int(direct), int(gateway), float(seconds), int(first), os.environ["BENCH_KEY"])
    print(json.dumps({"waits": found.waits, "records": found.records}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
