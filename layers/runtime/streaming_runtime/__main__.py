"""The process: import the app, start it, then serve event after event.

    import ─▶ start ─▶ next ─▶ serve ─▶ accepted, flush ─┐
       └───────┴─▶ init/error, exit 1   ▲                 │
                                        └─────────────────┘

One event loop serves all events, so the app's connections outlive them. Lambda ends the process
without a word; it ends itself, with status 1, when it cannot start or may not go on.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from typing import Any, NoReturn

from streaming_runtime.asgi import App, Lifespan, call, seconds_allowed
from streaming_runtime.context import Context
from streaming_runtime.http_event import read_event
from streaming_runtime.runtime_api import (
    ErrorReport,
    Invocation,
    ResponseRefused,
    ResponseStream,
    RuntimeApi,
    RuntimeApiFault,
)

TRACE_VARIABLE = "_X_AMZN_TRACE_ID"


class AppMissing(ImportError):
    """The variable that names the app names nothing."""


def load(environment: Mapping[str, str]) -> App:
    """Import the app.

    ``STREAM_APP`` names it, as ``module:name``; without it, it is ``app`` in the module of
    ``_HANDLER``. Raises ``ImportError``, or whatever the app's code raises.
    """
    handler = environment.get("_HANDLER", "").rpartition(".")[0].replace("/", ".")
    named = environment.get("STREAM_APP") or f"{handler or 'app'}:app"
    module, _, name = named.partition(":")
    try:
        app: App = getattr(import_module(module), name or "app")
    except AttributeError as fault:
        raise AppMissing(f"expected an ASGI app at {named}") from fault
    return app


async def run(api: RuntimeApi, environment: MutableMapping[str, str]) -> NoReturn:
    """Start the app and serve. Raises ``RuntimeApiFault`` when the process may not go on."""
    try:
        app = load(environment)
        lifespan = Lifespan(app)
        await lifespan.start()
    except Exception as error:
        broken = isinstance(error, ImportError | SyntaxError)
        report = ErrorReport.of(error, "Runtime.ImportModuleError" if broken else "")
        _log(report)
        await api.init_error(report)
        raise RuntimeApiFault("the app cannot start") from error
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        await api.restore_next()
    await serve(api, app, lifespan.state, environment)


async def serve(
    api: RuntimeApi, app: App, state: dict[str, Any], environment: MutableMapping[str, str]
) -> NoReturn:
    """Serve event after event. Raises ``RuntimeApiFault`` when there can be no other."""
    while True:
        await _serve_one(api, app, state, environment)


async def _serve_one(
    api: RuntimeApi, app: App, state: dict[str, Any], environment: MutableMapping[str, str]
) -> None:
    invocation = await api.next()
    if invocation.trace_id is None:
        environment.pop(TRACE_VARIABLE, None)
    else:
        environment[TRACE_VARIABLE] = invocation.trace_id
    response = api.respond(invocation)
    try:
        await _call(app, dict(state), invocation, response, environment)
    except Exception as error:  # noqa: BLE001 - the app's failure is this event's, not the process's
        await _fail(api, invocation, response, ErrorReport.of(error))
    try:
        await response.accepted()
    except ResponseRefused as refused:
        _log(ErrorReport.of(refused), invocation.request_id)
    sys.stdout.flush()


async def _call(
    app: App,
    state: dict[str, Any],
    invocation: Invocation,
    response: ResponseStream,
    environment: Mapping[str, str],
) -> None:
    context = Context.of(invocation, environment)
    event = json.loads(invocation.body)
    scope, body = read_event(event)
    scope.update({"state": state, "aws.event": event, "aws.context": context})
    seconds = seconds_allowed(context.get_remaining_time_in_millis())
    await call(app, scope, body, response, seconds)


async def _fail(
    api: RuntimeApi, invocation: Invocation, response: ResponseStream, report: ErrorReport
) -> None:
    """Report a failure where it still can be: an answer that has ended stands."""
    _log(report, invocation.request_id)
    try:
        if not response.started:
            await api.error(invocation, report)
        elif not response.ended:
            await response.abort(report)
    except (OSError, ResponseRefused) as fault:
        _log(ErrorReport.of(fault), invocation.request_id)


def _log(report: ErrorReport, request_id: str | None = None) -> None:
    """Write one JSON line, with the keys the app's own lines have."""
    line = {
        "level": "ERROR",
        "message": report.message,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "function_request_id": request_id,
        "error_type": report.error_type,
        "stack_trace": report.stack_trace,
    }
    sys.stdout.write(json.dumps(line) + "\n")


async def _live(environment: MutableMapping[str, str]) -> None:
    try:
        await run(RuntimeApi(environment["AWS_LAMBDA_RUNTIME_API"]), environment)
    except Exception as fault:  # noqa: BLE001 - whatever it is, the process is at its end
        _log(ErrorReport.of(fault))
    finally:
        sys.stdout.flush()
        os._exit(1)  # an ordinary exit waits for threads, and Lambda waits for this one


def main() -> None:
    """Start the client as Lambda's wrapper does."""
    environment = os.environ  # noqa: TID251 - Lambda speaks through it; read once, and handed on
    layer = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib costs start time
    first = [environment.get("LAMBDA_TASK_ROOT", "/var/task"), layer]
    sys.path[:] = [*first, *(each for each in sys.path if each not in first)]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(  # type: ignore[union-attr] # both are files here
            encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
    asyncio.run(_live(environment))


if __name__ == "__main__":
    main()
