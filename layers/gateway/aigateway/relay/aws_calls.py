"""One service of AWS, asked over connections of our own."""

import asyncio
from collections.abc import Callable
from typing import final

from aigateway.clock import Clock
from aigateway.errors import ServiceSilent, UpstreamFault
from aigateway.relay.aws_places import AwsPlace
from aigateway.relay.connection import Connection
from aigateway.relay.connections import Connections
from aigateway.wire.aws_json import AwsService, Document, body_of, head_of, read_answer
from aigateway.wire.messages import ResponseHead
from aigateway.wire.sigv4 import AwsCredentials

CONNECT_SECONDS, READ_SECONDS = 1.0, 2.0
"""As the SDK's clients have them."""

MOST_AT_ONCE = 32
ANSWER_LIMIT = 64 << 20
"""The largest answer is a batch of 16 MB of items, whose JSON is longer (BatchGetItem)."""


@final
class OwnAwsCalls:
    """Sends each operation once: what may be repeated depends on the call.

    ``credentials`` are asked for with each operation. ``MOST_AT_ONCE`` are under way at once; the
    others wait for their turn. ``read_seconds``: so long may the service say nothing.
    """

    def __init__(
        self,
        service: AwsService,
        place: AwsPlace,
        credentials: Callable[[], AwsCredentials | None],
        connections: Connections,
        clock: Clock,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._service = service
        self._place = place
        self._credentials = credentials
        self._connections = connections
        self._clock = clock
        self._read_seconds = read_seconds
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    async def call(self, operation: str, members: Document) -> Document:
        body = body_of(members)
        async with self._turns:
            try:
                head, answer = await self._exchange(operation, body)
            except (UpstreamFault, TimeoutError) as fault:
                raise ServiceSilent("the service did not answer") from fault
        return read_answer(self._service, head, answer)

    async def _exchange(self, operation: str, body: bytes) -> tuple[ResponseHead, bytes]:
        """Send an operation over a kept connection, if there is one.

        If that fails, the other kept ones are taken to be dead as well: what is asked next
        connects anew.
        """
        url = self._place.url
        kept = self._connections.take(url)
        connection = kept or await self._connections.connect(url)
        try:
            await connection.begin(
                self._head(operation, body), body, bodiless=False, idle_seconds=self._read_seconds
            )
            connection.finish(b"")
            head = await connection.answered(self._read_seconds)
            answer = await self._whole(connection)
        except BaseException as fault:
            connection.abort()
            if kept is not None and isinstance(fault, UpstreamFault):
                self._connections.drop(url)
            raise
        self._connections.let_go(connection, url)
        return head, answer

    def _head(self, operation: str, body: bytes) -> bytes:
        credentials = self._credentials()
        if credentials is None:
            raise ServiceSilent("this process has no AWS credentials")
        return head_of(
            self._service,
            operation,
            body,
            host=self._place.url.host_header,
            region=self._place.region,
            credentials=credentials,
            at=self._clock.now(),
        )

    async def _whole(self, connection: Connection) -> bytes:
        """Read a body to its end. Raises ``UpstreamCut``, ``ServiceSilent``."""
        pieces: list[bytes] = []
        size = 0
        while (piece := await connection.read(self._read_seconds)) is not None:
            pieces.append(piece)
            size += len(piece)
            if size > ANSWER_LIMIT:
                raise ServiceSilent("the answer is longer than any that the service gives")
        return b"".join(pieces)
