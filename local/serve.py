"""The door of uvicorn: one of the product's processes.

``python -m local.serve gateway|control`` binds ``AIGW_HTTP_ADDRESS``: all that a container runs.
``python -m local.serve gateway|control|provider SOCKET [LIFELINE]`` takes a bound socket: the
numbers of inherited descriptors. Over the lifeline the process says that it is ready; when its
other end goes away, the process ends itself, so nothing is left by a parent that was killed.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, final

import uvicorn

from aigateway.clock import SystemClock
from aigateway.errors import GatewayError, Refusal
from aigateway.ledger import open_store, spilled_text
from aigateway.ledger.spill_file import NAME, SpillFile
from aigateway.relay.asgi import Aborted
from aigateway.relay.assembly import gateway_of
from aigateway.settings import Settings
from aigateway.telemetry.assembly import begun, journal_of
from aigateway.telemetry.journal import Journal, Journals
from aigateway.telemetry.log import TextLines, begin
from local.lifeline import READY, tied
from local.metrics import with_endpoint
from local.schedule import Schedule
from local.scripted.body import ConnectionCut
from local.spilling import Spilling
from local.steady import steady
from local.strict_http import LINGER_SECONDS, StrictProtocol

App = Callable[..., Any]
STOP_SECONDS = 3


@final
class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, lifeline: socket.socket | None) -> None:
        super().__init__(config)
        self._lifeline = lifeline

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        steady()
        if self._lifeline is not None and self.started:
            self._lifeline.sendall(READY)


def serve(
    app: App, listening: socket.socket, settings: Settings, lifeline: socket.socket | None = None
) -> int:
    """Serve until TERM or INT; return the exit status."""
    protocol = partial(
        StrictProtocol,
        request_seconds=settings.request_seconds,
        stalled_seconds=settings.exchange_seconds + LINGER_SECONDS,
        count=getattr(app, "count_refused", _uncounted),
    )
    config = uvicorn.Config(
        _quiet(app),
        http=protocol,  # type: ignore[arg-type]  # it is called, no more
        ws="none",
        loop="asyncio",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _Server(config, lifeline)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve(sockets=[listening]))
    return 0 if server.started else 1


async def _uncounted(_error: Refusal) -> None:
    """Count nothing: only the gateway does."""


def _quiet(app: App) -> App:
    """Let an abort of ours cut the connection without uvicorn's traceback of it."""

    async def serving(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        try:
            await app(scope, receive, send)
        except (Aborted, ConnectionCut):
            raise
        except Exception:
            logging.getLogger("local").exception("the app failed")
            raise

    return serving


def _gateway(settings: Settings, journal: Journal) -> App:
    journals = Journals(journal, Spilling(_spill_file(settings)))
    return gateway_of(settings, os.environ, journals)


def _spill_file(settings: Settings) -> SpillFile:
    return SpillFile(settings.state_dir / NAME)


def _control(settings: Settings, journal: Journal) -> App:
    from aigateway.reload.spilled_file import FromFile  # noqa: PLC0415 - in this process only
    from aigateway.reload.tick import tick_of  # noqa: PLC0415 - likewise
    from aigateway.sessions.assembly import build as build_api  # noqa: PLC0415 - likewise: 100 ms
    from local.forgetting import forget_lines  # noqa: PLC0415
    from local.rest_api import RestApi  # noqa: PLC0415

    clock = SystemClock()
    store = open_store(settings)
    kick = partial(tick_of(settings, clock).run, store, only_reload=True)
    handler = build_api(settings, store, clock, kick=kick)
    handler.start()
    api = RestApi(handler)
    tick = tick_of(
        settings,
        clock,
        journal,
        spilled=FromFile(_spill_file(settings), clock, journal),
        forget=partial(forget_lines, settings.state_dir),
    )
    schedule = Schedule(open_store(settings), tick, settings.reload_interval_seconds)

    async def control(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        if scope["type"] != "lifespan":
            await api(scope, receive, send)
            return
        await receive()
        await schedule.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await schedule.stop()
        api.close()
        handler.stop()
        await send({"type": "lifespan.shutdown.complete"})

    return control


def _provider(_settings: Settings, _journal: Journal) -> App:
    from local.fake_bedrock import around  # noqa: PLC0415 - in this process only
    from local.fake_provider import build as build_provider  # noqa: PLC0415 - likewise

    return around(build_provider(salt=os.urandom(4).hex()))


APPS: dict[str, Callable[[Settings, Journal], App]] = {
    "gateway": _gateway,
    "control": _control,
    "provider": _provider,
}


def main(arguments: list[str]) -> int:
    name, *inherited = arguments
    lifeline = tied(inherited[1]) if inherited[1:] else None
    try:
        settings = Settings.from_env(with_endpoint(os.environ))
        journal = _logging(name, settings)
        if inherited:
            listening = socket.socket(fileno=int(inherited[0]))
        else:
            listening = _own_socket(name, settings)
        app = APPS[name](settings, journal)
    except GatewayError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return serve(app, listening, settings, lifeline)


def _logging(name: str, settings: Settings) -> Journal:
    """Log as lines of JSON, or, for people who look on, as text, and records to a file."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    if settings.log_format == "json":
        return begun(settings, spilled_text)
    shown = logging.StreamHandler()
    shown.setFormatter(TextLines(name))
    begin(shown, settings.log_level)
    from local.record_file import RECORDS, RecordFile  # noqa: PLC0415 - only then

    return journal_of(settings, RecordFile(settings.state_dir / RECORDS, name), spilled_text)


def _own_socket(name: str, settings: Settings) -> socket.socket:
    """Bind as a container does; the one control process prepares what both need."""
    from local.container import listening_at, prepare  # noqa: PLC0415 - only then

    listening = listening_at(name, settings)
    if name == "control":
        asyncio.run(prepare(settings, os.environ))
    return listening


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
