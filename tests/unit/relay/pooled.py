"""A provider that answers each key as it is told, a store that notes what it is told."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import final

from aigateway.errors import RecorderUnavailable, SecretUnavailable, UpstreamCut
from aigateway.ledger.store import Gauge, GaugeKind
from aigateway.pool.base_url import BaseUrl
from aigateway.pool.providers import Provider, SecretRef
from aigateway.relay.upstream import Answer, UpstreamRequest
from aigateway.steps import Step
from aigateway.wire.messages import ResponseHead

OK = b'{"ok":true}'


def a_provider(*key_ids: str) -> Provider:
    refs = tuple(SecretRef("main", key_id, "sk-...") for key_id in key_ids)
    return Provider("main", "anthropic", BaseUrl("http", "127.0.0.1", 1, ""), refs, enabled=True)


def key_of(key_id: str) -> str:
    return f"sk-made-up-secret-{key_id}"


@final
class Vault:
    """Holds a key for each id but the ``lost`` ones, and notes who asks."""

    def __init__(self, *lost: str) -> None:
        self.lost = lost
        self.asked: list[str] = []

    async def key(self, ref: SecretRef) -> str:
        self.asked.append(ref.key_id)
        if ref.key_id in self.lost:
            raise SecretUnavailable("gone")
        return key_of(ref.key_id)


@final
@dataclass(frozen=True, slots=True)
class Told:
    """One answer. ``stalls``: its body does not end; ``cut``: it breaks off."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    chunks: tuple[bytes, ...] = (OK,)
    stalls: bool = False
    cut: bool = False


def limited(after: str) -> Told:
    return Told(429, ((b"retry-after", after.encode()),))


@final
class Peer:
    """Answers by key. A fault is raised; the answers of one key come in turn."""

    def __init__(self, answers: dict[str, list[Told | BaseException]]) -> None:
        self.answers = answers
        self.tried: list[str] = []
        self.bodies: list[bytes] = []
        self.released: list[bool] = []
        self.open = 0
        self.read_to_the_end = 0
        self.silent = asyncio.Event()

    async def send(self, request: UpstreamRequest) -> Answer:
        if request.released is not None:
            await request.released
        self.released.append(request.released is not None)
        (key,) = (content.decode() for name, content in request.headers if name == b"x-api-key")
        key_id = key.removeprefix("sk-made-up-secret-")
        self.tried.append(key_id)
        self.bodies.append(request.body)
        told = self.answers[key_id].pop(0)
        if isinstance(told, BaseException):
            raise told
        self.open += 1
        return Answer(ResponseHead(told.status, told.headers), self._chunks(told))

    async def _chunks(self, told: Told) -> AsyncGenerator[bytes, None]:
        try:
            for chunk in told.chunks:
                yield chunk
            if told.stalls:
                await self.silent.wait()
            if told.cut:
                raise UpstreamCut("broke off")
            self.read_to_the_end += 1
        finally:
            self.open -= 1

    async def aclose(self) -> None:
        return


@final
@dataclass(slots=True)
class Store:
    """Notes steps and gauges; every call fails while it is ``down``."""

    down: bool = False
    steps: list[Step] = field(default_factory=list)
    set: list[Gauge] = field(default_factory=list)

    async def count(self, steps: tuple[Step, ...]) -> None:
        if self.down:
            raise RecorderUnavailable("down")
        self.steps.extend(steps)

    async def set_gauge(self, gauge: Gauge) -> None:
        if self.down:
            raise RecorderUnavailable("down")
        self.set.append(gauge)

    async def gauges(self, kind: GaugeKind | None = None) -> tuple[Gauge, ...]:
        return tuple(gauge for gauge in self.set if kind in (None, gauge.kind))

    @property
    def counted(self) -> list[tuple[str, str, int]]:
        return [(step.kind, step.attribute, step.amount) for step in self.steps]
