"""Asks for a reload of the pool as soon as providers or access rules have changed."""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, final

from aigateway.aws import client
from aigateway.settings import Settings

Kick = Callable[[], Awaitable[object]]

CHANGED = {"reason": "changed"}

logger = logging.getLogger(__name__)


async def ask_for_reload(kick: Kick) -> None:
    """Reload now. That it fails is logged, and fails no change: the next one comes by itself."""
    try:
        await kick()
    except Exception:
        logger.exception("the reload could not be asked for; the next one will come by itself")


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


def kick_of(settings: Settings) -> Kick:
    """Return what invokes the function that the settings name, or leaves it to the schedule."""
    name = settings.reload_function
    return no_kick if name is None else ReloadFunction(name)
