"""Asks for a reload of the pool as soon as a provider has changed."""

import asyncio
import json
import threading
from typing import Any, final

from aigateway.aws import client

CHANGED = {"reason": "changed"}


async def no_kick() -> None:
    """Leave it to the schedule."""


@final
class ReloadFunction:
    """Invokes the scheduled function, by name or ARN, and waits for no answer of it.

    Raises what the SDK raises. A function that is invoked so is tried again by the service
    (Lambda developer guide, "Asynchronous invocation", read 2026-07).
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: Any = None
        self._making = threading.Lock()

    async def __call__(self) -> None:
        await asyncio.to_thread(self._invoke)

    def _invoke(self) -> None:
        with self._making:
            self._client = self._client or client("lambda")
        self._client.invoke(
            FunctionName=self._name,
            InvocationType="Event",
            Payload=json.dumps(CHANGED).encode(),
        )
