"""Door of Powertools' event handler: the routes of the sessions API behind API Gateway.

The resolver keeps the event of the current call on a class of the library's own, so there may
be one call at a time in a process. The store is async: one event loop in one thread serves it.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import Any, TypeVar, final
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from aigateway.clock import Clock
from aigateway.errors import (
    Answerable,
    InternalError,
    LedgerFault,
    MethodNotAllowed,
    RouteNotSupported,
)
from aigateway.ledger.store import Store
from aigateway.sessions.endpoints import Endpoints, Request, SessionAmbiguous
from aigateway.sessions.query import QueryInvalid, nothing_asked

Value = TypeVar("Value")
Event = Mapping[str, Any]
Listing = Callable[[Request], Coroutine[Any, Any, object]]
Detail = Callable[[Request, str], Coroutine[Any, Any, object]]
Handler = Callable[[Event, object], dict[str, Any]]

PREFIXES = ("/api/v2/aibridge", "/api/v2/ai-gateway")
OPENAPI = "openapi.json"
OTHER_METHODS = ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY"]

log = logging.getLogger(__name__)


def handler_for(
    store: Store, clock: Clock, *, own_sessions_visible: bool = True
) -> "SessionsHandler":
    """Return the function that answers REST events (payload 1.0); call its ``start`` first.

    Without ``own_sessions_visible`` members find nothing, not even what is their own.
    """
    return SessionsHandler(
        store, Endpoints(store, clock, own_sessions_visible=own_sessions_visible)
    )


@final
class SessionsHandler:
    """A Lambda handler, and the loop and thread in which its store works."""

    def __init__(self, store: Store, endpoints: Endpoints) -> None:
        self._store = store
        self._endpoints = endpoints
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="store", daemon=True)
        self._thread.start()
        self._one_at_a_time = threading.Lock()
        self._resolver = self._routes()

    def start(self) -> None:
        """Start the store. Raises ``LedgerFault``."""
        self._wait(self._store.start())

    def stop(self) -> None:
        """Stop the store, the loop and its thread."""
        try:
            self._wait(self._store.stop())
        finally:
            self.close()

    def close(self) -> None:
        """End loop and thread, and leave the store alone: for one that is started elsewhere."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __call__(self, event: Event, context: object) -> dict[str, Any]:
        with self._one_at_a_time:
            try:
                answer: dict[str, Any] = self._resolver.resolve(event, context)  # type: ignore[arg-type]  # the context is not used
            except Exception as bug:  # noqa: BLE001 - the function's entry: whatever happens is answered
                refused = _internal_error(bug)
                answer = {
                    "statusCode": refused.status_code,
                    "body": refused.body,
                    "isBase64Encoded": False,
                    "multiValueHeaders": {
                        name: [value] if isinstance(value, str) else list(value)
                        for name, value in (refused.headers | {"Content-Type": JSON}).items()
                    },
                }
        return answer

    def _wait(self, work: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _routes(self) -> APIGatewayRestResolver:
        resolver = APIGatewayRestResolver(debug=False)  # an event holds a key: never print it
        endpoints = self._endpoints

        def request() -> Request:
            return _request(resolver.current_event.raw_event)

        def all_of(work: Listing) -> Callable[[], Response[str]]:
            return lambda: _answer(200, self._wait(work(request())))

        def one_of(work: Detail) -> Callable[[str], Response[str]]:
            return lambda quoted_id: _answer(200, self._wait(work(request(), _unquoted(quoted_id))))

        rules: dict[str, Callable[..., Response[str]]] = {
            "/sessions": all_of(endpoints.sessions),
            "/sessions/<quoted_id>": one_of(endpoints.session),
            "/interceptions": all_of(endpoints.interceptions),
            "/interceptions/<quoted_id>": one_of(endpoints.interception),
            "/models": all_of(partial(endpoints.names, kind="models")),
            "/clients": all_of(partial(endpoints.names, kind="clients")),
            "/providers": all_of(partial(endpoints.names, kind="providers")),
            "/openapi.json": lambda: _description(request()),
        }
        for rule, answering in rules.items():
            for prefix in PREFIXES:
                resolver.get(prefix + rule)(answering)
                resolver.route(prefix + rule, method=OTHER_METHODS)(_refuse_method)
        resolver.exception_handler(NotFoundError)(_no_route)
        resolver.exception_handler(Answerable)(_refusal)
        resolver.exception_handler(Exception)(_internal_error)
        return resolver


JSON = "application/json"


def _description(request: Request) -> Response[str]:
    nothing_asked(request.parameters)
    return _answer(200, json.loads(files(__package__).joinpath(OPENAPI).read_bytes()))


def _request(event: Event) -> Request:
    many: Mapping[str, list[str]] = event.get("multiValueQueryStringParameters") or {}
    single: Mapping[str, str] = event.get("queryStringParameters") or {}
    headers: Mapping[str, str] = event.get("headers") or {}
    return Request(
        {name.lower(): value for name, value in headers.items()},
        {name: [value] for name, value in single.items()} | dict(many),
    )


def _unquoted(quoted: str) -> str:
    """The event carries the path as it was sent: quoted once."""
    return unquote(quoted, errors="replace")


def _answer(
    status: int, document: object, headers: Mapping[str, str] | None = None
) -> Response[str]:
    return Response(
        status_code=status,
        content_type=JSON,
        body=json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _refuse_method(**_path: str) -> Response[str]:
    raise MethodNotAllowed("Method not allowed: expected GET.", ["GET"])


def _no_route(_: NotFoundError) -> Response[str]:
    return _refusal(RouteNotSupported("Route not supported."))


def _internal_error(bug: Exception) -> Response[str]:
    log.error("a call of the sessions API failed", exc_info=bug)
    return _refusal(InternalError("Internal error."))


def _refusal(refusal: Answerable) -> Response[str]:
    """Give an error the shape of the API; the text of a fault inside the store stays inside."""
    headers = {"x-ai-gateway-error": refusal.code}
    document: dict[str, object] = {"message": str(refusal), "detail": ""}
    if isinstance(refusal, QueryInvalid):
        document["validations"] = [
            {"field": fault.field, "detail": fault.detail} for fault in refusal.faults
        ]
    if isinstance(refusal, SessionAmbiguous):
        document["validations"] = [
            {"field": "initiator", "detail": f"{user_id} ({name})"}
            for user_id, name in refusal.candidates.items()
        ]
    if isinstance(refusal, LedgerFault):
        log.error("the store failed a call of the sessions API", exc_info=refusal)
        document["message"] = "The store cannot be reached."
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(refusal, MethodNotAllowed):
        headers["Allow"] = ", ".join(refusal.allow)
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return _answer(refusal.status, document, headers)
