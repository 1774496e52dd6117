"""The door of OpenTelemetry: the spans of a finished request, made and sent by its SDK.

The SDK reads its own variables, ``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES`` and
``OTEL_EXPORTER_OTLP_...`` among them. It speaks TLS to an ``https`` endpoint, and verifies the
certificate.
"""

import asyncio
import logging
import random
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping
from typing import final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.re import parse_env_headers

from aigateway import __version__
from aigateway.clock import Clock, micros
from aigateway.errors import SecretUnavailable
from aigateway.pool.vault import SecretsManager, Stored
from aigateway.settings import Settings
from aigateway.telemetry.exports import Exports
from aigateway.telemetry.sampling import ratio_of
from aigateway.telemetry.span_attributes import describe
from aigateway.telemetry.span_names import BY_NAME
from aigateway.telemetry.spans import Span, Trace
from aigateway.telemetry.trace_context import Remote, parent_and_link
from aigateway.telemetry.xray_daemon import Daemon

SERVICE = "ai-gateway"
EXPORT_SECONDS = 1.0
KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}

Export = Callable[[list[ReadableSpan]], bool]
Environment = Mapping[str, str]
Reading = Callable[[str], Coroutine[None, None, Stored | None]]
logger = logging.getLogger(__name__)


def open_tracing(settings: Settings, clock: Clock, environment: Environment) -> "OpenTelemetry":
    """Return what sends traces as the settings and the SDK's own variables say.

    ``environment`` is that of the process: Lambda changes a variable of it with each event.
    """
    logging.getLogger("opentelemetry").setLevel(
        logging.CRITICAL
    )  # it logs headers that it cannot read
    if settings.trace_backend == "xray":
        export = xray_export(Daemon(environment))
        return OpenTelemetry(settings, clock, export, TimedIds(), environment)
    collector = Collector(settings.otlp_headers_secret, SecretsManager().read)
    return OpenTelemetry(settings, clock, collector, RandomIdGenerator(), environment)


@final
class OpenTelemetry:
    """``Traces`` by OpenTelemetry's SDK."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        export: Export,
        ids: IdGenerator,
        environment: Environment,
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._exports = Exports(export, clock)
        self._ended = _Ended()
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio_of(environment))),
            resource=Resource.create(_service(environment)),
            id_generator=ids,
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("aigateway", __version__)

    async def send(self, trace: Trace) -> None:
        """Send a trace, if it is sampled."""
        try:
            spans = self._made(trace)
        except Exception:  # noqa: BLE001 - a request owes nothing to its trace
            logger.warning("a trace could not be made")
            return
        if spans:
            await self._exports.send(spans)

    def _made(self, trace: Trace) -> list[ReadableSpan]:
        describe(trace, content=self._settings.trace_content)
        parent, link = parent_and_link(
            self._environment.get("_X_AMZN_TRACE_ID", ""),
            trace.head.headers,
            trusted=self._settings.trust_traceparent,
        )
        links = [Link(_context(link))] if link else []
        outside = set_span_in_context(NonRecordingSpan(_context(parent))) if parent else Context()
        contexts: dict[int, Context] = {}
        for span in trace.spans:
            above = outside if span.parent is None else contexts[id(span.parent)]
            contexts[id(span)] = self._make(span, above, links if span is trace.root else [])
        return self._ended.taken()

    def _make(self, span: Span, above: Context, links: list[Link]) -> Context:
        """Make the library's span; return the context of its children."""
        made = self._tracer.start_span(
            span.name,
            above,
            KINDS[BY_NAME[span.name].kind],
            span.attributes,
            links,
            start_time=micros(span.started_at) * 1000,
        )
        for event in span.events:
            made.add_event(event.name, event.attributes, micros(event.at) * 1000)
        if span.error_type is not None:
            made.set_status(Status(StatusCode.ERROR))
            made.set_attribute("error.type", span.error_type)
        made.end(micros(span.ended_at or span.started_at) * 1000)
        return set_span_in_context(made)


@final
class Collector:
    """Sends to an OTLP/HTTP endpoint; ``secret`` holds headers to add, as ``name=value,...``.

    Without a secret the exporter is made at once, as a function starts with more of a processor
    than it serves with. Raises ``ValueError`` for variables of the SDK that it cannot read.
    """

    def __init__(self, secret: str | None, read: Reading) -> None:
        self._secret = secret
        self._read = read
        self._exporter = _exporter(None) if secret is None else None

    def __call__(self, spans: list[ReadableSpan]) -> bool:
        """Raises ``SecretUnavailable``."""
        if self._exporter is None:
            self._exporter = _exporter(self._headers(self._secret or ""))
        well = self._exporter.export(spans) is SpanExportResult.SUCCESS
        if not well and self._secret is not None:
            self._exporter = None  # it may have changed
        return well

    def _headers(self, secret: str) -> Mapping[str, str]:
        stored = asyncio.run(self._read(secret))
        if stored is None:
            raise SecretUnavailable("the secret with headers for the collector is not there")
        return parse_env_headers(stored.text, liberal=True)


def _exporter(headers: Mapping[str, str] | None) -> OTLPSpanExporter:
    return OTLPSpanExporter(timeout=EXPORT_SECONDS, headers=headers)


def xray_export(daemon: Daemon) -> Export:
    """Return what sends spans to X-Ray's daemon.

    The form is that of AWS's own exporter (aws-observability/aws-otel-python-instrumentation,
    exporter/otlp/udp, read 2026-07).
    """

    def export(spans: list[ReadableSpan]) -> bool:
        encoded = (encode_spans([span]).SerializeToString() for span in spans)
        daemon.send(b"T1S" + b64encode(each) for each in encoded)
        return True

    return export


@final
class TimedIds(IdGenerator):
    """Trace ids that begin with the time in seconds: X-Ray takes no others."""

    def generate_span_id(self) -> int:
        return random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return int(time.time()) << 96 | random.getrandbits(96)


@final
class _Ended(SpanProcessor):
    """Keeps the sampled spans that ended until they are taken."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def taken(self) -> list[ReadableSpan]:
        spans, self._spans = self._spans, []
        return spans


def _context(remote: Remote) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if remote.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(remote.trace_id, remote.span_id, is_remote=True, trace_flags=flags)


def _service(environment: Environment) -> dict[str, str]:
    named = environment.get("OTEL_SERVICE_NAME") or ""
    if named or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        return {"service.version": __version__}
    return {"service.name": SERVICE, "service.version": __version__}
