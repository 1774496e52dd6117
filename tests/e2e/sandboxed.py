"""The gateway function in sandboxes of a test, over the embedded store of a state directory."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from local import deployed
from local.__main__ import LOOPBACK
from local.function_url import FunctionUrl

UNLIMITED_SECONDS = 60.0


@final
@dataclass(frozen=True, slots=True)
class Sandboxed:
    """A Function URL on ``port``."""

    port: int
    front: FunctionUrl

    @property
    def pids(self) -> list[int]:
        found = (sandbox.pid for sandbox in self.front.sandboxes._all)
        return [pid for pid in found if pid is not None]


@asynccontextmanager
async def sandboxed(
    state: Path,
    *,
    timeout_seconds: float = UNLIMITED_SECONDS,
    most: int = 1,
    signers: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> AsyncIterator[Sandboxed]:
    """Serve the gateway as Lambda does, on a free port; ``extra`` are variables."""
    environment = {
        "AIGW_STATE_DIR": str(state),
        "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK,
        "AIGW_SNAPSHOT_POLL": "0",
        **(extra or {}),
    }
    log = os.open(
        state / f"sandboxes-{timeout_seconds:.0f}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND
    )
    function = deployed.gateway(
        environment, log, timeout_seconds=timeout_seconds, most_sandboxes=most
    )
    front = FunctionUrl(function, signers)
    try:
        yield Sandboxed(await front.start(), front)
    finally:
        await front.stop()
        os.close(log)
