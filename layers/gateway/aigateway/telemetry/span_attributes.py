"""What the spans of a finished request say: attributes and errors, from its record. Pure.

The names of the base set are those of the reference product (coder/aibridge, tracing/tracing.go),
those below ``gen_ai.`` of OpenTelemetry's semantic conventions for generative AI, which are still
in development (open-telemetry/semantic-conventions-genai, read 2026-07): no library holds them.
"""

import json
from collections.abc import Iterator, Mapping

from aigateway.clock import micros
from aigateway.interception import Closed, Opened
from aigateway.telemetry.spans import Attributes, Span, Trace, Value
from aigateway.transcript.facts import Dialect, ToolUsage
from aigateway.wire.masking import masked

CONTENT_BYTES = 8 * 1024
ACQUIRE = "CachedBridgePool.Acquire"
UPSTREAM = "Intercept.ProcessRequest.Upstream"
TOOL_USAGE = "Intercept.RecordToolUsage"
REFUSED = 400
PROVIDERS: Mapping[str, str] = {
    "bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google": "gcp.gemini",
}
"""The conventions' names where they are not the types' own."""

USAGE = {
    "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_input_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
}
INPUTS = ("input_tokens", "cache_read_input_tokens", "cache_write_input_tokens")


def describe(trace: Trace, *, content: bool) -> None:
    """Add what the record says to the spans of a finished trace; ``content``: prompts, too."""
    opened, closed = trace.opened, trace.closed
    attempts = trace.named(UPSTREAM)
    for attempt in attempts:
        status = attempt.attributes.get("http.response.status_code", 0)
        if isinstance(status, int) and status >= REFUSED:
            attempt.error_type = str(status)
    if opened is None:
        return
    base = _base(trace, opened)
    for span in trace.spans:
        if span.name != ACQUIRE:
            span.attributes = {**base, **span.attributes}
    trace.root.attributes["client"] = opened.client.name
    if attempts:
        attempts[-1].attributes |= dict(_generation(opened, closed, attempts[-1]))
        if content and opened.prompt is not None:
            attempts[-1].attributes["gen_ai.input.messages"] = _messages(opened.prompt.text)
    if closed is not None:
        _describe_end(trace, closed, attempts, content=content)


def _describe_end(
    trace: Trace, closed: Closed, attempts: tuple[Span, ...], *, content: bool
) -> None:
    trace.root.attributes["outcome"] = closed.outcome
    tools = [row.fact for row in closed.rows if isinstance(row.fact, ToolUsage)]
    for span, fact in zip(trace.named(TOOL_USAGE), tools, strict=True):
        span.attributes |= _tool(fact, content=content)
    if closed.outcome == "completed":
        return
    for span in (trace.root, *trace.named("Intercept.ProcessRequest"), *attempts[-1:]):
        span.error_type = closed.error_type or closed.outcome


def _tool(fact: ToolUsage, *, content: bool) -> Attributes:
    named = {"gen_ai.tool.name": masked(fact.name), "gen_ai.tool.call.id": fact.call_id}
    if content:
        named["gen_ai.tool.call.arguments"] = _cut(fact.input)
    return {name: value for name, value in named.items() if value}


def _base(trace: Trace, opened: Opened) -> Attributes:
    base: dict[str, Value] = {
        "request_path": trace.head.path.decode("latin-1"),
        "interception_id": opened.id,
        "user_id": opened.initiator_id,
        "provider": opened.provider_name,
        "model": masked(opened.model),
        "streaming": opened.streaming,
    }
    if opened.dialect is Dialect.MESSAGES:
        base["aws_bedrock"] = opened.metadata.get("aws_bedrock") == "true"
    return base


def _generation(
    opened: Opened, closed: Closed | None, attempt: Span
) -> Iterator[tuple[str, Value]]:
    yield "gen_ai.operation.name", "chat"
    yield "gen_ai.provider.name", PROVIDERS.get(opened.provider_type, opened.provider_type)
    yield "gen_ai.request.model", masked(opened.model)
    yield "gen_ai.request.stream", opened.streaming
    yield "gen_ai.conversation.id", masked(opened.session_id)
    if closed is None:
        return
    if closed.provider_model:
        yield "gen_ai.response.model", masked(closed.provider_model)
    if closed.provider_response_id:
        yield "gen_ai.response.id", masked(closed.provider_response_id)
    if closed.stop_reason:
        yield "gen_ai.response.finish_reasons", (masked(closed.stop_reason),)
    if closed.first_byte_at is not None:
        seconds = (micros(closed.first_byte_at) - micros(attempt.started_at)) / 1_000_000
        yield "gen_ai.response.time_to_first_chunk", max(seconds, 0.0)
    if not closed.usage_missing:
        tokens = closed.tokens
        yield "gen_ai.usage.input_tokens", sum(tokens[name] for name in INPUTS)
        for ours, theirs in USAGE.items():
            if ours in tokens:
                yield theirs, tokens[ours]


def _messages(prompt: str) -> str:
    """Return the last message as the conventions write messages."""
    parts = [{"type": "text", "content": _cut(prompt)}]
    return json.dumps([{"role": "user", "parts": parts}], ensure_ascii=False)


def _cut(text: str) -> str:
    return masked(text).encode("utf-8", "replace")[:CONTENT_BYTES].decode("utf-8", "ignore")
