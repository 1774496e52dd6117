"""The vendors' SDKs through the product: three dialects, streaming and blocking."""

import hashlib
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.e2e.product import Product

TOOL: dict[str, object] = {"type": "object", "properties": {"file_path": {"type": "string"}}}


@pytest.fixture
def claude(product: Product) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=f"{product.gateway}/anthropic", api_key=product.key, max_retries=0
    ) as client:
        yield client


@pytest.fixture
def gpt(product: Product) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{product.gateway}/openai/v1", api_key=product.key, max_retries=0
    ) as client:
        yield client


def _check(product: Product, response: Any, raw: bytes) -> dict[str, Any]:  # noqa: ANN401 - either SDK's response
    (seen,) = product.log()
    assert seen["response_sha256"] == hashlib.sha256(raw).hexdigest()
    assert seen["complete"]
    sent: bytes = response.http_request.content
    assert seen["body_sha256"] == hashlib.sha256(sent).hexdigest()
    found = product.query(f"interceptions/{response.headers['x-ai-gateway-interception-id']}")
    record: dict[str, Any] = found.document
    assert record["outcome"] == "completed"
    assert len(record["tool_usages"]) == 1
    assert [p["prompt"] for p in record["user_prompts"]] == ["read the file a.txt"]
    usage = seen["answered"]["usage"]
    counted = {name: record["token_usages"][0][name] for name in usage}
    assert counted == usage
    return record


@pytest.mark.parametrize("stream", [True, False])
def test_anthropic_messages(product: Product, claude: anthropic.Anthropic, stream: bool) -> None:
    product.reset_log()
    with claude.messages.with_streaming_response.create(
        model="claude-sonnet-5",
        max_tokens=500,
        messages=[{"role": "user", "content": "read the file a.txt"}],
        tools=[{"name": "Read", "input_schema": TOOL}],
        stream=stream,
        extra_headers={"Accept-Encoding": "identity"},
    ) as response:
        raw = b"".join(response.iter_bytes())
    record = _check(product, response, raw)
    assert record["user_agent"].startswith("Anthropic/Python")


@pytest.mark.parametrize("stream", [True, False])
def test_openai_chat_completions(product: Product, gpt: openai.OpenAI, stream: bool) -> None:
    product.reset_log()
    extra: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
    with gpt.chat.completions.with_streaming_response.create(
        model="gpt-5-mini",
        messages=[{"role": "user", "content": "read the file a.txt"}],
        tools=[{"type": "function", "function": {"name": "Read", "parameters": TOOL}}],
        stream=stream,
        extra_headers={"Accept-Encoding": "identity"},
        **extra,
    ) as response:
        raw = b"".join(response.iter_bytes())
    _check(product, response, raw)


@pytest.mark.parametrize("stream", [True, False])
def test_openai_responses(product: Product, gpt: openai.OpenAI, stream: bool) -> None:
    product.reset_log()
    with gpt.responses.with_streaming_response.create(
        model="gpt-5-mini",
        input="read the file a.txt",
        tools=[{"type": "function", "name": "Read", "parameters": TOOL, "strict": False}],
        stream=stream,
        extra_headers={"Accept-Encoding": "identity"},
    ) as response:
        raw = b"".join(response.iter_bytes())
    _check(product, response, raw)


def test_a_wrong_key_is_a_typed_exception_after_one_request(product: Product) -> None:
    wrong = "aigw_ffffffffffffffff_" + "x" * 43
    claude = anthropic.Anthropic(base_url=f"{product.gateway}/anthropic", api_key=wrong)
    with claude, pytest.raises(anthropic.AuthenticationError):
        claude.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    gpt = openai.OpenAI(base_url=f"{product.gateway}/openai/v1", api_key=wrong)
    with gpt, pytest.raises(openai.AuthenticationError):
        gpt.responses.create(model="m", input="x")


def test_a_cut_stream_raises_in_the_sdk(product: Product, claude: anthropic.Anthropic) -> None:
    with (
        pytest.raises(Exception, match=r"incomplete|closed|peer"),
        claude.messages.stream(
            model="claude-sonnet-5",
            max_tokens=500,
            messages=[{"role": "user", "content": "hello"}],
            extra_headers={"x-fake": "cut;at=4"},
        ) as stream,
    ):
        stream.until_done()
