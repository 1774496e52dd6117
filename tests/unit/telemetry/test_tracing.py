"""What OpenTelemetry makes of a trace, and where it sends it."""

import base64
import json
import socket
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aigateway import __version__
from aigateway.clock import micros
from aigateway.pool.vault import Stored
from aigateway.settings import Settings
from aigateway.telemetry.tracing import Collector, OpenTelemetry, TimedIds, open_tracing
from aigateway.telemetry.xray import XraySdk
from tests.builders import T0
from tests.clocks import HeldClock
from tests.otlp import Collected, collecting, failed, told
from tests.unit.telemetry.test_trace_context import OF_CALLER, OF_LAMBDA, THEIRS, XRAY
from tests.unit.telemetry.traced import a_trace

ON = Settings(trace_enable=True)
NAMES = ["Intercept", "Intercept.ProcessRequest.Upstream", "Intercept.RecordInterception"]


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        yield found


def opened(
    environment: Mapping[str, str] = MappingProxyType({}), settings: Settings = ON
) -> OpenTelemetry:
    return open_tracing(settings, HeldClock(), environment)


def number(identifier: bytes) -> int:
    return int.from_bytes(identifier, "big")


async def test_a_trace_arrives_as_it_was(collected: Collected) -> None:
    await opened().send(a_trace())
    assert sorted(span.name for span in collected.spans) == NAMES
    assert collected.resource["service.name"] == "ai-gateway"
    assert collected.resource["service.version"] == __version__
    root = collected.one("Intercept")
    attempt = collected.one("Intercept.ProcessRequest.Upstream")
    assert (root.kind, attempt.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert collected.one("Intercept.RecordInterception").kind == Span.SPAN_KIND_INTERNAL
    assert (root.parent_span_id, collected.parent(attempt)) == (b"", "Intercept")
    assert failed(attempt)
    assert not failed(root)
    assert told(attempt.attributes)["error.type"] == "429"
    began = micros(T0) * 1000
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (began, began + 3 * 10**9)
    assert attempt.start_time_unix_nano == began + 2 * 10**9
    (event,) = attempt.events
    assert (event.name, event.time_unix_nano) == ("first_byte", began + 2 * 10**9)
    assert told(root.attributes)["user_id"] == "u-alice"


async def test_an_operator_may_name_the_service(
    collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "of an operator")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    await opened({"OTEL_SERVICE_NAME": "of an operator"}).send(a_trace())
    assert collected.resource["service.name"] == "of an operator"
    assert collected.resource["deployment.environment"] == "test"


async def test_the_invocation_is_the_parent_and_the_caller_a_link(collected: Collected) -> None:
    trace = a_trace(((b"traceparent", THEIRS.encode()),))
    await opened({"_X_AMZN_TRACE_ID": XRAY + ";Sampled=1"}).send(trace)
    root = collected.one("Intercept")
    assert number(root.trace_id) == OF_LAMBDA.trace_id
    assert number(root.parent_span_id) == OF_LAMBDA.span_id
    (link,) = root.links
    assert number(link.trace_id) == OF_CALLER.trace_id
    assert number(link.span_id) == OF_CALLER.span_id
    assert [span.links for span in collected.spans if span is not root] == [[], []]


async def test_a_caller_who_is_trusted_is_the_parent(collected: Collected) -> None:
    settings = Settings(trace_enable=True, trust_traceparent=True)
    trace = a_trace(((b"traceparent", THEIRS.encode()),))
    await opened({"_X_AMZN_TRACE_ID": XRAY + ";Sampled=1"}, settings).send(trace)
    root = collected.one("Intercept")
    assert number(root.trace_id) == OF_CALLER.trace_id
    assert number(root.parent_span_id) == OF_CALLER.span_id
    assert len(root.links) == 0


@pytest.mark.parametrize(
    "environment",
    [{"_X_AMZN_TRACE_ID": XRAY + ";Sampled=0"}, {"OTEL_TRACES_SAMPLER_ARG": "0"}],
)
async def test_a_trace_that_is_not_sampled_stays(
    collected: Collected, environment: dict[str, str]
) -> None:
    await opened(environment).send(a_trace())
    assert collected.requests == 0


async def test_a_parent_that_is_sampled_goes_before_the_ratio(collected: Collected) -> None:
    sampled = {"_X_AMZN_TRACE_ID": XRAY + ";Sampled=1", "OTEL_TRACES_SAMPLER_ARG": "0"}
    await opened(sampled).send(a_trace())
    assert collected.requests == 1


async def test_headers_of_a_secret_are_sent_and_read_anew_after_a_failure(
    collected: Collected,
) -> None:
    texts: list[str | None] = [None, "x-team=planted-1,x-more=a%20b"]

    async def read(name: str) -> Stored | None:
        assert name == "of-the-collector"
        text = texts.pop(0)
        return None if text is None else Stored(text, "1")

    export = Collector("of-the-collector", read)
    tracing = OpenTelemetry(ON, HeldClock(), export, TimedIds(), {})
    await tracing.send(a_trace())
    assert collected.requests == 0
    await tracing.send(a_trace())
    headers = {name.lower(): value for name, value in collected.headers.items()}
    assert (headers["x-team"], headers["x-more"]) == ("planted-1", "a b")


async def test_a_trace_that_cannot_be_made_costs_no_request(
    collected: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    trace = a_trace()
    trace.root.name = "of nobody"
    await opened().send(trace)
    assert collected.requests == 0
    assert "could not be made" in caplog.text


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        yield listening


def at(daemon: socket.socket) -> dict[str, str]:
    return {"AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}"}


def datagrams(daemon: socket.socket, count: int) -> list[bytes]:
    found = [daemon.recv(65_536) for _ in range(count)]
    daemon.settimeout(0)
    with pytest.raises(BlockingIOError):
        daemon.recv(1)
    heads, rests = zip(*(each.split(b"\n", 1) for each in found), strict=True)
    assert [json.loads(head) for head in heads] == [{"format": "json", "version": 1}] * count
    return list(rests)


async def test_xray_is_sent_a_datagram_a_span(daemon: socket.socket) -> None:
    settings = Settings(trace_enable=True, trace_backend="xray")
    before = int(time.time())
    await opened(at(daemon), settings).send(a_trace())
    names, ids = [], set()
    for each in datagrams(daemon, 3):
        assert each.startswith(b"T1S")
        message = ExportTraceServiceRequest.FromString(base64.b64decode(each[3:], validate=True))
        (span,) = message.resource_spans[0].scope_spans[0].spans
        names.append(span.name)
        ids.add(span.trace_id)
    assert sorted(names) == NAMES
    (trace_id,) = ids
    assert before <= number(trace_id[:4]) <= time.time(), "X-Ray reads the time in it"


async def test_a_span_too_long_for_a_datagram_is_lost_alone(daemon: socket.socket) -> None:
    settings = Settings(trace_enable=True, trace_backend="xray")
    trace = a_trace()
    trace.root.attributes["long"] = "x" * 70_000
    await opened(at(daemon), settings).send(trace)
    assert len(datagrams(daemon, 2)) == 2


def documents(daemon: socket.socket, count: int) -> list[dict[str, Any]]:
    return [json.loads(each) for each in datagrams(daemon, count)]


async def test_the_xray_sdk_sends_what_belongs_to_the_functions_own_segment(
    daemon: socket.socket,
) -> None:
    environment = {"_X_AMZN_TRACE_ID": XRAY + ";Sampled=1", **at(daemon)}
    await XraySdk(ON, environment).send(a_trace())
    sent = {each["name"]: each for each in documents(daemon, 3)}
    assert sorted(sent) == NAMES
    root, attempt = sent["Intercept"], sent["Intercept.ProcessRequest.Upstream"]
    assert {each["type"] for each in sent.values()} == {"subsegment"}
    assert {each["trace_id"] for each in sent.values()} == {"1-58406520-a006649127e371903a2de979"}
    assert root["parent_id"] == "4c721bf33e3caf8f"
    assert attempt["parent_id"] == root["id"]
    assert (attempt["fault"], attempt["namespace"]) == (True, "remote")
    assert root["annotations"]["user_id"] == "u-alice"
    assert attempt["metadata"]["default"]["gen_ai.operation.name"] == "chat"
    assert root["end_time"] - root["start_time"] == 3


async def test_the_xray_sdk_begins_a_segment_outside_of_lambda(
    daemon: socket.socket,
) -> None:
    await XraySdk(ON, at(daemon)).send(a_trace())
    segment = next(e for e in documents(daemon, 4) if e["name"] == "ai-gateway")
    assert "type" not in segment
    assert segment["end_time"] - segment["start_time"] == 3


@pytest.mark.parametrize(
    "environment",
    [{"_X_AMZN_TRACE_ID": XRAY + ";Sampled=0"}, {"OTEL_TRACES_SAMPLER_ARG": "0"}],
)
async def test_the_xray_sdk_keeps_what_is_not_sampled(
    daemon: socket.socket, environment: dict[str, str]
) -> None:
    await XraySdk(ON, environment | at(daemon)).send(a_trace())
    daemon.settimeout(0)
    with pytest.raises(BlockingIOError):
        daemon.recv(1)
