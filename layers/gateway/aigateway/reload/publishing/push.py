"""Sends a plan to a receiver of remote writes.

A server stores nothing of a request that holds one bad sample, wherever it stands, and answers
400 (Prometheus 2.42, tried). So a refused batch is halved until the offender stands alone; it is
left out, and the others go in.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, final

from aigateway.clock import Clock
from aigateway.errors import GatewayError, UpstreamFault
from aigateway.reload.publishing.plan import Plan
from aigateway.telemetry.remote_write import Sample, compressed, message
from aigateway.telemetry.series import Labels

SERIES_A_REQUEST = 2_000
REQUESTS_A_PUSH = 64
TRIES, PAUSE_SECONDS, PUSH_SECONDS = 3, 1.0, 20.0
BAD_REQUEST, TOO_MANY, SERVER_ERROR = 400, 429, 500

logger = logging.getLogger(__name__)
Pause = Callable[[float], Awaitable[object]]


class Receiver(Protocol):
    """Takes the body of one remote write and returns the status of the answer.

    Raises ``UpstreamFault``.
    """

    async def write(self, body: bytes) -> int: ...


@final
class PushFailed(GatewayError):
    """A push did not arrive; ``stage`` is how it is counted."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage: Final = stage


@final
@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a plan: series that the server refused, and samples that have to wait."""

    rejected: int
    unsent: tuple[Sample, ...]


@final
class RemoteWrite:
    """Pushes plans. ``external`` labels go on every series; ``pause`` waits seconds."""

    def __init__(
        self, receiver: Receiver, external: Labels, clock: Clock, pause: Pause = asyncio.sleep
    ) -> None:
        self._receiver = receiver
        self._external = external
        self._clock = clock
        self._pause = pause

    async def push(self, plan: Plan) -> Pushed:
        """Send the zeros, then everything else. Raises ``PushFailed``."""
        course = _Course(self._clock.monotonic() + PUSH_SECONDS)
        for beginning in plan.beginnings:
            for batch in _batches(beginning.samples):
                await self._send(batch, course, may_be_in=beginning.may_be_in)
        if course.unsent:
            raise PushFailed("remote_write", "the requests of one push were used up by zeros")
        for batch in _batches(plan.samples):
            await self._send(batch, course)
        return Pushed(course.rejected, tuple(course.unsent))

    async def _send(
        self, samples: Sequence[Sample], course: "_Course", *, may_be_in: bool = False
    ) -> None:
        if course.requests == REQUESTS_A_PUSH:
            course.unsent.extend(samples)
            return
        course.requests += 1
        body = compressed(message(self._labelled(sample) for sample in samples))
        if await self._is_taken(body, course) or may_be_in:
            return
        if len(samples) == 1:
            logger.warning("a series was refused: %s", dict(samples[0].labels)["__name__"])
            course.rejected += 1
            return
        half = len(samples) // 2
        await self._send(samples[:half], course)
        await self._send(samples[half:], course)

    def _labelled(self, sample: Sample) -> Sample:
        return Sample(tuple(sorted((*sample.labels, *self._external))), sample.value, sample.at_ms)

    async def _is_taken(self, body: bytes, course: "_Course") -> bool:
        """Send a request, unchanged also when it is repeated. ``False``: it was found bad."""
        said = ""
        for attempt in range(TRIES):
            if attempt:
                await self._pause(PAUSE_SECONDS)
            if self._clock.monotonic() >= course.until:
                break
            try:
                status = await self._receiver.write(body)
            except UpstreamFault as fault:
                said = str(fault)
                continue
            if status == BAD_REQUEST:
                return False
            if 200 <= status < 300:  # noqa: PLR2004 - success, by the specification
                return True
            said = f"status {status}"
            if status != TOO_MANY and status < SERVER_ERROR:
                break
        raise PushFailed("remote_write", f"a remote write was not taken: {said or 'out of time'}")


@final
class _Course:
    """How far one push has come."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.requests = 0
        self.rejected = 0
        self.unsent: list[Sample] = []


def _batches(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    size = SERIES_A_REQUEST
    return [samples[at : at + size] for at in range(0, len(samples), size)]
