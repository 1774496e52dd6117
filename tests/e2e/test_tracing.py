"""Traces of the running product, as a collector gets them."""

from collections import Counter
from pathlib import Path

from tests.e2e.asks import MESSAGES, ask
from tests.e2e.product import Product, running
from tests.otlp import Collected, collecting, failed, told

UPSTREAM = "Intercept.ProcessRequest.Upstream"
PARENTS = {
    "Intercept": None,
    "CachedBridgePool.Acquire": "Intercept",
    "Intercept.CreateInterceptor": "Intercept",
    "Intercept.ProcessRequest": "Intercept",
    UPSTREAM: "Intercept.ProcessRequest",
    "Intercept.RecordInterception": "Intercept",
    "Intercept.RecordPromptUsage": "Intercept",
    "Intercept.RecordTokenUsage": "Intercept",
    "Intercept.RecordToolUsage": "Intercept",
    "Intercept.RecordInterceptionEnded": "Intercept",
}
CALLS_TWO = "please [[fake tools=Read,Bash]] now"
THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def traced(product: Product, collected: Collected) -> None:
    body = ask("messages", CALLS_TWO, stream=True, tools=True)
    reply = product.post(MESSAGES, body, {"traceparent": THEIRS})
    assert reply.status == 200
    collected.wait_for(1)
    assert Counter(span.name for span in collected.spans) == Counter(
        dict.fromkeys(PARENTS, 1) | {"Intercept.RecordToolUsage": 2}
    )
    assert {span.name: collected.parent(span) for span in collected.spans} == PARENTS
    assert len({span.trace_id for span in collected.spans}) == 1
    assert not any(failed(span) for span in collected.spans)
    assert collected.resource["service.name"] == "ai-gateway"
    root, upstream = collected.one("Intercept"), collected.one(UPSTREAM)
    record = product.record(reply)
    for span in (root, upstream):
        said = told(span.attributes)
        assert said["interception_id"] == record["id"]
        assert said["user_id"] == record["initiator"]["id"]
        assert (said["provider"], said["streaming"]) == ("anthropic", True)
    (link,) = root.links
    assert link.span_id.hex() == "b7ad6b7169203331"
    said = told(upstream.attributes)
    assert said["gen_ai.response.finish_reasons"] == ["tool_use"]
    assert said["gen_ai.usage.output_tokens"] == record["token_usages"][0]["output_tokens"]
    assert [event.name for event in upstream.events] == ["first_byte"]
    assert upstream.end_time_unix_nano >= upstream.events[0].time_unix_nano
    assert CALLS_TWO not in str(collected.spans)
    assert product.key not in str(collected.spans)


def test_one_request_with_tools_is_one_trace(composition: str, tmp_path: Path) -> None:
    with collecting() as collected:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.endpoint}
        with running(tmp_path, composition, "--trace", **variables) as product:
            traced(product, collected)
            (seen,) = product.log()
            headers = {name.lower(): value for name, value in seen["headers"]}
            assert headers["traceparent"] == THEIRS
            assert "tracestate" not in headers


def test_row_77_the_switches_of_the_command_trace_log_lines(tmp_path: Path) -> None:
    with collecting() as collected:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.endpoint}
        body = ask("messages", "[[fake tools=Read;input=no-json]]", stream=True, tools=True)
        with running(tmp_path, "run", "--trace", "--trace-logs", **variables) as product:
            assert product.post(MESSAGES, body).status == 200
            collected.wait_for(1)
        lines = [told(e.attributes) for span in collected.spans for e in span.events]
        assert {
            "log.severity": "WARNING",
            "log.message": "the input of a tool call is no JSON",
        }.items() <= next(line for line in lines if line).items()
