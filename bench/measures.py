"""What is measured, and how: rounds that take turns, and medians of them."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import final

from bench import traffic
from bench.client import Answer, Broken, Connection, load
from bench.processes import Gateway, Peer, bare_interpreter, environment, gateway
from bench.store_writes import StoreWrites

EVENTS, MANY_EVENTS = 30, 300
SMALL_BYTES, LARGE_BYTES = 1_000, 100_000
GAP_US = 1_000
"""A model sends an event every 10 to 30 ms; this is faster, so that a run does not take all day."""

CONCURRENCIES = (1, 8, 32)
CPU_CONCURRENCY = 8
MEMORY_CONCURRENCY = 8
OPEN_STREAMS = 50
OPEN_GAP_US = 10_000
IMPORTED = (
    "import aigateway.relay.assembly, aigateway.ledger.sqlite, aigateway.pool.secrets, "
    "aigateway.settings"
)


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    timed: int
    rounds: int
    cpu_requests: int
    load_requests: int
    streams: tuple[int, ...]
    starts: int

    @property
    def requests_a_round(self) -> int:
        """How many requests one round of load sends to each relay."""
        return len(CONCURRENCIES) * self.load_requests + 2 * self.cpu_requests


FULL = Plan(
    timed=150,
    rounds=5,
    cpu_requests=48,
    load_requests=160,
    streams=(100, 500, 1000, 2500),
    starts=5,
)
SMOKE = Plan(timed=10, rounds=1, cpu_requests=12, load_requests=40, streams=(20, 40, 60), starts=1)


@final
@dataclass(frozen=True, slots=True)
class Peers:
    direct: Peer
    nginx: Peer
    gateway: Peer


@final
@dataclass(frozen=True, slots=True)
class Timings:
    """Medians in milliseconds. ``tail``: from the last event to the end of the body."""

    first: float
    end: float
    tail: float


@final
@dataclass(frozen=True, slots=True)
class Latency:
    """One request at a time; ``opening`` and ``closing``: the store's own writes, in ms."""

    direct: Timings
    nginx: Timings
    gateway: Timings
    opening: float
    closing: float

    @property
    def beyond_opening(self) -> float:
        """What the first byte waits for the gateway, without the store's own write."""
        return self.gateway.first - self.direct.first - self.opening

    @property
    def beyond_closing(self) -> float:
        """What the end waits after the last event, without the store's own write."""
        return self.gateway.tail - self.direct.tail - self.closing


@final
@dataclass(frozen=True, slots=True)
class Pair:
    """The same figure of both relays."""

    nginx: float
    gateway: float

    @property
    def ratio(self) -> float:
        return self.gateway / self.nginx


@final
@dataclass(frozen=True, slots=True)
class Memory:
    """Resident MiB. ``after``: by streams relayed so far; ``bare``: an interpreter by itself."""

    bare: float
    started: float
    after: Mapping[int, float]
    most_with_open_streams: float

    @property
    def above_bare(self) -> float:
        return max(self.after.values()) - self.bare

    @property
    def growth_kib_per_stream(self) -> Mapping[tuple[int, int], float]:
        """The slopes between one count of streams and the next."""
        points = list(self.after.items())
        return {
            (earlier, later): (behind - before) * 1024 / (later - earlier)
            for (earlier, before), (later, behind) in pairwise(points)
        }


@final
@dataclass(frozen=True, slots=True)
class Start:
    """``run_seconds``: to the ready line, warm; imports in CPU seconds."""

    run_seconds: float
    asyncio_import: float
    gateway_import: float


def latency(peers: Peers, writes: StoreWrites, key: str, body_bytes: int, rounds: int) -> Latency:
    """Send one request to each in turn. Raises ``Broken`` where a relayed byte differs."""
    request = traffic.request(key, body_bytes=body_bytes, events=EVENTS, gap_us=GAP_US)
    expected = b"".join(traffic.stream(EVENTS))
    names = {"direct": peers.direct, "nginx": peers.nginx, "gateway": peers.gateway}
    connections = {name: Connection(peer.address) for name, peer in names.items()}
    answers: dict[str, list[Answer]] = {name: [] for name in names}
    stored: list[tuple[float, float]] = []
    for _ in range(rounds):
        for name, connection in connections.items():
            answer = connection.exchange(request)
            if answer.body != expected:
                raise Broken(f"bytes differ: {name}")
            answers[name].append(answer)
        stored.append(writes.write())
    for connection in connections.values():
        connection.close()
    return Latency(
        direct=_timings(answers["direct"]),
        nginx=_timings(answers["nginx"]),
        gateway=_timings(answers["gateway"]),
        opening=median(opening for opening, _ in stored) * 1000,
        closing=median(closing for _, closing in stored) * 1000,
    )


def _timings(answers: list[Answer]) -> Timings:
    return Timings(
        first=median(answer.first for answer in answers) * 1000,
        end=median(answer.end for answer in answers) * 1000,
        tail=median(answer.end - answer.event for answer in answers) * 1000,
    )


def _in_turn(peers: Peers, rounds: int, measure: Callable[[Peer], float]) -> Pair:
    figures = [(measure(peers.nginx), measure(peers.gateway)) for _ in range(rounds)]
    return Pair(median(nginx for nginx, _ in figures), median(ours for _, ours in figures))


def cpu(peers: Peers, key: str, events: int, plan: Plan) -> Pair:
    """Return the CPU milliseconds of one request whose events come one by one."""
    request = traffic.request(key, body_bytes=SMALL_BYTES, events=events, gap_us=GAP_US)

    def measure(peer: Peer) -> float:
        before = peer.cpu_seconds()
        load(peer.address, request, concurrency=CPU_CONCURRENCY, total=plan.cpu_requests)
        return (peer.cpu_seconds() - before) * 1000 / plan.cpu_requests

    return _in_turn(peers, plan.rounds, measure)


def throughput(peers: Peers, key: str, concurrency: int, plan: Plan) -> Pair:
    """Return requests a second, where the provider answers as fast as it can."""
    request = traffic.request(key, body_bytes=SMALL_BYTES, events=EVENTS, gap_us=0)

    def measure(peer: Peer) -> float:
        total = plan.load_requests
        return total / load(peer.address, request, concurrency=concurrency, total=total)

    return _in_turn(peers, plan.rounds, measure)


def memory(running: Gateway, plan: Plan) -> Memory:
    """Measure a gateway that has relayed nothing yet."""
    with bare_interpreter() as interpreter:
        bare = interpreter.resident_mib()
    peer, after = running.peer, dict[int, float]()
    started, sent = peer.resident_mib(), 0
    request = traffic.request(running.key, body_bytes=SMALL_BYTES, events=EVENTS, gap_us=GAP_US)
    for streams in plan.streams:
        load(peer.address, request, concurrency=MEMORY_CONCURRENCY, total=streams - sent)
        after[streams], sent = peer.resident_mib(), streams
    open_at_once(peer, running.key)
    return Memory(bare, started, after, peer.resident_mib("VmHWM"))


def open_at_once(peer: Peer, key: str) -> None:
    """Hold many streams open at the same time, then let them end."""
    slow = traffic.request(key, body_bytes=SMALL_BYTES, events=EVENTS, gap_us=OPEN_GAP_US)
    load(peer.address, slow, concurrency=OPEN_STREAMS, total=OPEN_STREAMS)


def crowd(peers: Peers, key: str) -> None:
    """Leave both relays with as many kept connections to the provider."""
    open_at_once(peers.nginx, key)
    open_at_once(peers.gateway, key)


def start(upstream: Peer, state: Path, plan: Plan) -> Start:
    """Start the product again and again on the state that a first start has left."""
    seconds: list[float] = []
    asyncio_import: list[float] = []
    gateway_import: list[float] = []
    for _ in range(plan.starts):
        with gateway(upstream, state) as running:
            seconds.append(running.start_seconds)
        asyncio_import.append(_import_seconds("import asyncio"))
        gateway_import.append(_import_seconds(IMPORTED))
    return Start(median(seconds), median(asyncio_import), median(gateway_import))


def _import_seconds(statement: str) -> float:
    program = f"import time; t = time.process_time(); {statement}; print(time.process_time() - t)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, check=True
    )
    return float(done.stdout)
