"""A collector on loopback: takes OTLP over HTTP, as its specification has it."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PROTOBUF = "application/x-protobuf"


@final
@dataclass(slots=True)
class Collected:
    """What a collector was sent. ``headers`` are those of the last request."""

    endpoint: str
    spans: list[Span] = field(default_factory=list)
    resource: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: int = 0
    came: threading.Condition = field(default_factory=threading.Condition)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Span:
        (span,) = self.named(name)
        return span

    def parent(self, span: Span) -> str | None:
        """Return the name of the span above, ``None`` if it was not sent."""
        return next((s.name for s in self.spans if s.span_id == span.parent_span_id), None)

    def wait_for(self, requests: int, seconds: float = 30) -> None:
        with self.came:
            assert self.came.wait_for(lambda: self.requests >= requests, seconds)

    def take(self, message: ExportTraceServiceRequest, headers: Mapping[str, str]) -> None:
        with self.came:
            for resource in message.resource_spans:
                self.resource = told(resource.resource.attributes)
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            self.headers = headers
            self.requests += 1
            self.came.notify_all()


def told(attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - protobuf's own container
    """Return attributes as Python's values; a list is one."""
    return {each.key: plain(each.value) for each in attributes}


def plain(value: Any) -> Any:  # noqa: ANN401 - likewise
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, kind)


def failed(span: Span) -> bool:
    return span.status.code == Status.STATUS_CODE_ERROR


@contextmanager
def collecting(context: ssl.SSLContext | None = None) -> Iterator[Collected]:
    """Run a collector, by TLS if it has a ``context``."""
    collected = Collected("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            well = self.path == "/v1/traces" and self.headers["Content-Type"] == PROTOBUF
            if well:
                collected.take(ExportTraceServiceRequest.FromString(body), dict(self.headers))
            self.send_response(200 if well else 400)
            self.send_header("Content-Type", PROTOBUF)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        collected.endpoint = f"{scheme}://localhost:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collected
        finally:
            server.shutdown()
            thread.join()
