"""Door of Powertools' event handler: the routes of the control plane behind API Gateway.

The resolver keeps the event of the current call on a class of the library's own, so there may
be one call at a time in a process. The store is async: one event loop in one thread serves it.
"""

import asyncio
import base64
import json
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any, TypeVar, final
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from aigateway.caller.principals import Signer, signer_of
from aigateway.clock import Clock
from aigateway.errors import (
    Answerable,
    InternalError,
    LedgerFault,
    MethodNotAllowed,
    RouteNotSupported,
)
from aigateway.ledger.store import Store
from aigateway.sessions.bodies import BodyInvalid
from aigateway.sessions.calls import Reply, Request, Routes, Work
from aigateway.sessions.endpoints import Endpoints, SessionAmbiguous
from aigateway.sessions.query import QueryInvalid, nothing_asked
from aigateway.telemetry.correlation import correlated

Value = TypeVar("Value")
Event = Mapping[str, Any]

READING = ("/api/v2/aibridge", "/api/v2/ai-gateway")
CONFIGURING = "/api/v2/ai"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY")

log = logging.getLogger(__name__)


def handler_for(
    store: Store,
    clock: Clock,
    *,
    own_sessions_visible: bool = True,
    configuring: Routes | None = None,
    takes_signatures: bool = False,
    rooted: Routes | None = None,
) -> "SessionsHandler":
    """Return the function that answers REST events (payload 1.0); call its ``start`` first.

    Without ``own_sessions_visible`` members find nothing, not even what is their own.
    ``configuring``: the calls that lie below ``CONFIGURING``; ``rooted``: those below no prefix.
    ``takes_signatures``: a caller may be who API Gateway says has signed a request, where it asks
    for that.
    """
    reading = Endpoints(store, clock, own_sessions_visible=own_sessions_visible).routes()
    routes: dict[str, Routes] = {
        prefix: {**reading, **_described("openapi.json")} for prefix in READING
    }
    routes[CONFIGURING] = {**(configuring or {}), **_described("configuration.json")}
    routes[""] = rooted or {}
    return SessionsHandler(store, routes, takes_signatures=takes_signatures)


@final
class SessionsHandler:
    """A Lambda handler, and the loop and thread in which its store works.

    ``routes``: what is served below each prefix.
    """

    def __init__(
        self, store: Store, routes: Mapping[str, Routes], *, takes_signatures: bool
    ) -> None:
        self.routes = routes
        self._store = store
        self._takes_signatures = takes_signatures
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="store", daemon=True)
        self._thread.start()
        self._one_at_a_time = threading.Lock()
        self._resolver = self._resolver_of()

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
        request_id = getattr(context, "aws_request_id", None)
        with self._one_at_a_time, correlated(function_request_id=request_id):
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

    def _resolver_of(self) -> APIGatewayRestResolver:
        resolver = APIGatewayRestResolver(debug=False)  # an event holds a key: never print it

        def answering(work: Work) -> Callable[..., Response[str]]:
            def answer(**quoted: str) -> Response[str]:
                parts = (_unquoted(part) for part in quoted.values())
                event = resolver.current_event.raw_event
                signer = signer_of(event) if self._takes_signatures else None
                request = _request(event, signer)
                return _answer(self._wait(work(request, *parts)))

            return answer

        for prefix, rules in self.routes.items():
            for rule, works in rules.items():
                for method, work in works.items():
                    resolver.route(prefix + rule, method=method)(answering(work))
                others = [method for method in METHODS if method not in works]
                resolver.route(prefix + rule, method=others)(_refusing(works))
        resolver.exception_handler(NotFoundError)(_no_route)
        resolver.exception_handler(Answerable)(_refusal)
        resolver.exception_handler(Exception)(_internal_error)
        return resolver


JSON = "application/json"


def _described(file: str) -> Routes:
    async def description(request: Request) -> Reply:
        nothing_asked(request.parameters)
        return Reply(json.loads(files(__package__).joinpath(file).read_bytes()))

    return {"/openapi.json": {"GET": description}}


def _request(event: Event, signer: Signer | None) -> Request:
    many: Mapping[str, list[str]] = event.get("multiValueQueryStringParameters") or {}
    single: Mapping[str, str] = event.get("queryStringParameters") or {}
    headers: Mapping[str, str] = event.get("headers") or {}
    body: str = event.get("body") or ""
    return Request(
        {name.lower(): value for name, value in headers.items()},
        {name: [value] for name, value in single.items()} | dict(many),
        event["httpMethod"],
        base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
        signer,
    )


def _unquoted(quoted: str) -> str:
    """The event carries the path as it was sent: quoted once."""
    return unquote(quoted, errors="replace")


def _answer(reply: Reply, headers: Mapping[str, str] | None = None) -> Response[str]:
    kind: str | None = reply.text_type or JSON
    if reply.document is None:
        kind, text = None, ""
    elif reply.text_type is not None:
        text = str(reply.document)
    else:
        text = json.dumps(reply.document, ensure_ascii=False, separators=(",", ":"))
    return Response(
        status_code=reply.status,
        content_type=kind,
        body=text,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _refusing(works: Mapping[str, Work]) -> Callable[..., Response[str]]:
    def refuse(**_path: str) -> Response[str]:
        raise MethodNotAllowed(f"Method not allowed: expected {' or '.join(works)}.", [*works])

    return refuse


def _no_route(_: NotFoundError) -> Response[str]:
    return _refusal(RouteNotSupported("Route not supported."))


def _internal_error(bug: Exception) -> Response[str]:
    log.error("a call of the control plane failed", exc_info=bug)
    return _refusal(InternalError("Internal error."))


def _refusal(refusal: Answerable) -> Response[str]:
    """Give an error the shape of the API; the text of a fault inside the store stays inside."""
    headers = {"x-ai-gateway-error": refusal.code}
    document: dict[str, object] = {"message": str(refusal), "detail": ""}
    if isinstance(refusal, QueryInvalid | BodyInvalid):
        document["validations"] = [
            {"field": fault.field, "detail": fault.detail} for fault in refusal.faults
        ]
    if isinstance(refusal, SessionAmbiguous):
        document["validations"] = [
            {"field": "initiator", "detail": f"{user_id} ({name})"}
            for user_id, name in refusal.candidates.items()
        ]
    if isinstance(refusal, LedgerFault):
        log.error("the store failed a call of the control plane", exc_info=refusal)
        document["message"] = "The store cannot be reached."
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(refusal, MethodNotAllowed):
        headers["Allow"] = ", ".join(refusal.allow)
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return _answer(Reply(document, refusal.status), headers)
