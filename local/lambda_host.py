"""One of the parts of a deployment, on a socket that is already bound.

``python -m local.lambda_host gateway|control SOCKET LIFELINE``: the gateway's Function URL, or the
REST API of the sessions function together with the schedule of the reload function. Their
sandboxes write into files below the state directory, as functions do into log groups.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aigateway.settings import Settings
from local import deployed
from local.front.function import ACCOUNT
from local.front.invoke_api import InvokeApi
from local.front.rest_proxy import RestProxy
from local.function_url import FunctionUrl
from local.lifeline import READY, tied
from local.sandboxes import EventTooLarge, Sandboxes, Throttled

LOGS = "logs"
Environment = Mapping[str, str]

logger = logging.getLogger(__name__)


@asynccontextmanager
async def gateway(environment: Environment, listening: socket.socket) -> AsyncIterator[None]:
    """Serve the gateway's Function URL; its first request starts the first sandbox."""
    url = FunctionUrl(deployed.gateway(environment, log_file(environment, "gateway")))
    await url.start(listening)
    try:
        yield
    finally:
        await url.stop()


@asynccontextmanager
async def control(environment: Environment, listening: socket.socket) -> AsyncIterator[None]:
    """Serve the sessions API, and run the schedule, the first tick at once.

    The sessions function may invoke the reload function, by the service's own API.
    """
    reload = Sandboxes(deployed.reload(environment, log_file(environment, "reload")))
    invoking = InvokeApi({reload.function.name: reload})
    kicking = {
        "AIGW_RELOAD_FUNCTION": reload.function.name,
        "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{await invoking.start()}",
    }
    log = log_file(environment, "sessions")
    api = RestProxy(deployed.sessions({**environment, **kicking}, log))
    seconds = Settings.from_env(environment).reload_interval_seconds
    await api.start(listening)
    schedule = asyncio.create_task(tick_for_ever(reload, seconds))
    try:
        yield
    finally:
        schedule.cancel()
        await asyncio.gather(schedule, return_exceptions=True)
        await invoking.stop()
        await reload.stop()
        await api.stop()


async def tick_for_ever(function: Sandboxes, seconds: float) -> None:
    """Invoke a function as a schedule does; one that fails is logged, and asked again in time."""
    while True:
        try:
            outcome = await function.invoke(tick_event())
        except (EventTooLarge, Throttled) as wrong:
            logger.warning("a tick was not taken: %r", wrong)
        else:
            if outcome.failed:
                logger.warning("a tick failed: %s", outcome.payload.decode(errors="replace"))
        await asyncio.sleep(seconds)


def tick_event() -> dict[str, object]:
    """Return the event of a schedule (EventBridge guide, "Scheduled events")."""
    return {
        "version": "0",
        "id": secrets.token_hex(16),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:{ACCOUNT}:rule/aigw-reload-tick"],
        "detail": {},
    }


def log_file(environment: Environment, name: str) -> int:
    """Return the descriptor of a function's log, which begins anew at each start."""
    folder = Path(environment["AIGW_STATE_DIR"]) / LOGS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return os.open(folder / f"{name}.log", flags, 0o600)


Part = Callable[[Environment, socket.socket], AbstractAsyncContextManager[None]]
PARTS: Mapping[str, Part] = {"gateway": gateway, "control": control}


async def serve(name: str, listening: socket.socket, lifeline: socket.socket) -> None:
    """Serve until TERM or INT."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with PARTS[name](os.environ, listening):
        lifeline.sendall(READY)
        await stopping.wait()


def main(arguments: list[str]) -> int:
    name, listening, lifeline = arguments
    logging.basicConfig(level=logging.WARNING, format=f"{name}: %(levelname)s %(message)s")
    asyncio.run(serve(name, socket.socket(fileno=int(listening)), tied(lifeline)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
