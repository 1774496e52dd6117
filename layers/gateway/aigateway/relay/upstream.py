"""What the relay asks of a provider, and what it gets: the contract of every transport."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Protocol, final

from aigateway.interception import Closed
from aigateway.pool.providers import Provider
from aigateway.wire.masking import mask, masked
from aigateway.wire.messages import Headers, ResponseHead

CONNECT_SECONDS = 10.0
STALE_SECONDS = 50.0
"""A process may have been frozen: connections idle for longer are not trusted."""

MOST_KEPT = 200
"""So many idle connections of a provider are kept; open ones have no bound here."""

SIZED_METHODS = frozenset({"POST", "PUT", "PATCH"})
"""Their requests say a length even without a body (RFC 9110 section 8.6)."""


@final
@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """``released`` holds back the last byte of ``body`` until it is done without an error.

    ``withholds_usage``: the answer may hold a chunk that only the gateway asked for.
    ``session_name``: the request is to be signed with AWS credentials, those of the caller's own
    session where a role is assumed; ``None``: it holds its credential, or needs none.
    """

    provider: Provider
    method: str
    target: bytes
    headers: Headers
    body: bytes
    released: Awaitable[object] | None
    first_byte_seconds: float
    idle_seconds: float
    withholds_usage: bool = False
    session_name: str | None = None


RECOGNISED = 8
"""A shorter key may as well be a word of the message."""


@final
@dataclass(slots=True)
class KeysUsed:
    """Which key a request went with last, and how many it was tried with, while it is served.

    ``hint`` is the mask of ``secret``. ``status`` is the answer that the last key was refused with.
    """

    hint: str | None
    tried: int
    status: int | None = None
    secret: str | None = field(default=None, repr=False)

    def hidden_in(self, text: str) -> str:
        """Return a provider's words without keys: this one whatever its form, others by theirs."""
        if self.secret is not None and len(self.secret) >= RECOGNISED:
            text = text.replace(self.secret, mask(self.secret))
        return masked(text)


def key_header(provider: Provider, key: str) -> tuple[bytes, bytes]:
    """Return the header by which a provider takes a key."""
    if provider.runtime_type == "anthropic":
        return b"x-api-key", key.encode()
    return b"authorization", b"Bearer " + key.encode()


class Chunks(Protocol):
    """A body as it arrives. Raises ``UpstreamCut``, after everything that came before it."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def __anext__(self) -> Awaitable[bytes]: ...

    async def aclose(self) -> None: ...


class Judge(Protocol):
    """Waits for how an answer that began well goes on. One of the two is called, once."""

    def closed(self, closed: Closed) -> None:
        """The answer is over, and this is what is recorded of it."""

    def left(self) -> None:
        """Nobody took the answer."""


@final
class Answer:
    """A provider's answer; close it in any case. Who takes it takes its judge, if it has one."""

    def __init__(self, head: ResponseHead, chunks: Chunks) -> None:
        self.head = head
        self.chunks = chunks
        self.judge: Judge | None = None

    def take_judge(self) -> Judge | None:
        judge, self.judge = self.judge, None
        return judge

    async def aclose(self) -> None:
        """Let go of the connection; one that is not at its end is aborted."""
        if (judge := self.take_judge()) is not None:
            judge.left()
        await self.chunks.aclose()


class Upstream(Protocol):
    """Sends one request, once. Raises ``UpstreamUnreachable``, ``UpstreamTimeout``."""

    async def send(self, request: UpstreamRequest) -> Answer: ...

    async def aclose(self) -> None: ...
