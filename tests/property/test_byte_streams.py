"""Whatever a provider sends: the scribe never raises, and the relay passes on every byte.

``FUZZ_STREAMS`` is how many streams are made (`make fuzz`); each shard has a seed of its own, and
a failure names the seed of the stream, which makes it again.
"""

import os
from itertools import islice
from random import Random, SystemRandom

import pytest

from aigateway.relay.asgi import Aborted
from aigateway.relay.scribe import Scribe
from aigateway.transcript.facts import Dialect
from aigateway.wire.messages import ResponseHead
from tests.builders import an_opened
from tests.clocks import HeldClock
from tests.property.mutations import damaged, in_chunks, packed
from tests.unit.relay.stand_ins import (
    Listener,
    NotingRecords,
    ScriptedUpstream,
    a_request,
    an_exchange,
)

ASKED = os.environ.get("FUZZ_STREAMS")
STREAMS = int(ASKED or 10_000)
SHARDS = 4
RELAYED_EVERY = 50
DIALECTS = tuple(Dialect)
TYPES = (b"text/event-stream", b"text/event-stream; charset=utf-8", b"application/json", b"")
STATUSES = (200, 200, 200, 200, 201, 429, 500)
Case = tuple[ResponseHead, Dialect, list[bytes], bool]


def seeds(shard: int) -> list[str]:
    """Names of streams: the same ones each time, but those of a long run."""
    run = "quick" if ASKED is None else str(SystemRandom().getrandbits(64))
    return [f"{run}-{shard}-{number}" for number in range(STREAMS // SHARDS)]


def case_of(seed: str) -> Case:
    random = Random(seed)  # noqa: S311 - to be made again, not to be secret
    coding, body = packed(random, damaged(random))
    headers = [(b"content-type", random.choice(TYPES))]
    if coding is not None:
        headers.append((b"content-encoding", coding))
    head = ResponseHead(random.choice(STATUSES), tuple(headers))
    chunks = in_chunks(random, body)
    return head, random.choice(DIALECTS), chunks, random.randrange(2) == 0


def scribbled(case: Case) -> Scribe:
    head, dialect, chunks, is_cut = case
    scribe = Scribe(head, dialect, streaming=True, clock=HeldClock())
    for chunk in chunks:
        scribe.hear(chunk)
    scribe.end(cut=is_cut)
    return scribe


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_byte_stream_is_a_bug_to_the_scribe(shard: int) -> None:
    ended = 0
    for seed in seeds(shard):
        scribe = scribbled(case_of(seed))
        assert not (scribe.deaf or "").startswith("bug:"), seed
        assert scribe.deaf is not None or scribe.ended is not None, seed
        ended += scribe.ended is not None
    assert ended > STREAMS // SHARDS // 2, "most streams must get as far as a reader"


@pytest.mark.parametrize("shard", range(SHARDS))
async def test_no_byte_stream_stops_the_relay_or_changes_in_it(shard: int) -> None:
    for seed in islice(seeds(shard), 0, None, RELAYED_EVERY):
        head, _, chunks, is_cut = case_of(seed)
        seen: list[str] = []
        records = NotingRecords(seen)
        upstream = ScriptedUpstream(seen, tuple(chunks))
        upstream.head, upstream.cut = head, is_cut
        exchange, asides = an_exchange(records, upstream)
        listener = Listener(seen)
        try:
            await exchange.relay(an_opened(), a_request(), listener)
        except Aborted:
            assert is_cut, seed
        await asides.join()
        assert listener.body == b"".join(chunks), seed
        assert len(records.closed) == 1, seed
