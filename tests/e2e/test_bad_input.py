"""Bad input on the data plane: a clear error in the caller's dialect, and nothing crashes."""

import gzip
import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.e2e.asks import CHAT, MESSAGES, PATHS, RESPONSES, ask
from tests.e2e.product import Product, call

DIALECTS = ("messages", "chat", "responses")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b'{"a":NaN}'])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_body_that_is_no_json_object_is_refused_and_recorded(
    product: Product, dialect: str, body: bytes
) -> None:
    product.reset_log()
    reply = product.post(PATHS[dialect], body)
    assert reply.status == 400
    assert reply.header("x-ai-gateway-error") == "invalid_json"
    assert reply.document["error"]["type"] == "invalid_request_error"
    assert product.log() == []
    record = product.record(reply)
    assert (record["outcome"], record["error_type"]) == ("failed", "bad_request")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"model": 7, "messages": "no list", "stream": "yes"},
        {"model": None, "messages": [None, 1, [], {"role": 3, "content": {"x": []}}]},
        {"model": "m" * 100_000, "messages": [{"role": "user", "content": [{"type": 1}]}]},
        {"input": [[], {"type": None}, {"role": "user", "content": 9}], "model": []},
        {"metadata": {"user_id": 4}, "tools": "x", "max_tokens": -1.5, "prompt_cache_key": {}},
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_i13_wrong_types_are_the_providers_business(
    product: Product, dialect: str, document: object
) -> None:
    product.reset_log()
    reply = product.post(PATHS[dialect], document)
    assert reply.header("x-ai-gateway-error") is None
    assert len(product.log()) == 1
    assert product.record(reply)["outcome"] is not None


def test_a_compressed_body_is_forwarded_as_it_is_and_read(product: Product) -> None:
    product.reset_log()
    body = gzip.compress(json.dumps(ask("responses", "zipped words", stream=True)).encode())
    reply = product.post(RESPONSES, body, {"Content-Encoding": "gzip"})
    assert product.log()[0]["body_bytes"] == len(body)
    assert [p["prompt"] for p in product.record(reply)["user_prompts"]] == ["zipped words"]


def test_a_truncated_gzip_body_is_relayed_and_said_to_be_unreadable(product: Product) -> None:
    body = gzip.compress(json.dumps(ask("messages", "hello " * 50, stream=False)).encode())[:-12]
    reply = product.post(MESSAGES, body, {"Content-Encoding": "gzip"})
    assert product.record(reply)["metadata"]["prompt_unavailable"] == "content-encoding"
    refused = product.post(RESPONSES, body, {"Content-Encoding": "gzip"})
    assert (refused.status, refused.header("x-ai-gateway-error")) == (400, "unreadable_body")


@pytest.mark.parametrize("product", ["run"], indirect=True)
def test_a_body_over_the_limit_is_refused_before_it_is_sent(product: Product) -> None:
    parts = urlsplit(product.gateway)
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {product.key}\r\n"
        "Content-Length: 99999999\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(head.encode())
        heard = client.recv(65_536)
    assert heard.startswith(b"HTTP/1.1 413")
    assert b"request_too_large" in heard


def test_background_responses_are_refused_and_recorded(product: Product) -> None:
    product.reset_log()
    reply = product.post(RESPONSES, ask("responses", "x", stream=False) | {"background": True})
    assert (reply.status, reply.header("x-should-retry")) == (501, "false")
    assert product.log() == []
    assert product.record(reply)["error_type"] == "bad_request"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer sk-foreign"}])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_missing_or_foreign_key_is_a_401_in_the_dialects_shape(
    product: Product, dialect: str, headers: dict[str, str]
) -> None:
    product.reset_log()
    reply = call(product.gateway + PATHS[dialect], "POST", b"{}", headers)
    assert reply.status == 401
    assert reply.header("x-should-retry") == "false"
    expected = "authentication_error" if dialect == "messages" else "invalid_request_error"
    assert reply.document["error"]["type"] == expected
    assert product.log() == []


@pytest.mark.parametrize(
    "path",
    [
        "/nobody/v1/messages",
        "/anthropic/v1/v1/messages",
        "/anthropic/v1/messages/",
        "/anthropic//v1/messages",
        "/openai/v1/models/../files",
        "/openai/v1/models/%2e%2e/files",
        "/openai/v1/completions",
        "/",
    ],
)
def test_routes_that_are_not_on_the_list_are_refused(product: Product, path: str) -> None:
    product.reset_log()
    reply = product.post(path, {})
    assert reply.status == 404
    assert reply.header("x-ai-gateway-error") == "route_not_supported"
    assert product.log() == []


def test_a_wrong_method_names_the_right_one(product: Product) -> None:
    reply = call(product.gateway + CHAT, headers={"Authorization": f"Bearer {product.key}"})
    assert (reply.status, reply.header("allow")) == (405, "POST")


def test_a_websocket_upgrade_is_answered_at_once_with_426(product: Product) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"}
    reply = call(product.gateway + RESPONSES, headers=headers)
    assert reply.status == 426
    assert reply.document["error"]["code"] == "websocket_not_supported"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/anthropic/api/hello"),
        ("HEAD", "/"),
        ("GET", "/"),
        ("GET", "/anthropic/api/hello"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("OPTIONS", "/anthropic/v1/messages"),
    ],
)
def test_probes_need_no_key(product: Product, method: str, path: str) -> None:
    assert call(product.gateway + path, method).status == 200


def test_header_injection_does_not_split_a_request(product: Product) -> None:
    """A line break inside a value ends the header: the host refuses it, or the rest is a header."""
    product.reset_log()
    parts = urlsplit(product.gateway)
    body = json.dumps(ask("messages", "hello", stream=False)).encode()
    request = (
        f"POST {MESSAGES}\tHTTP/1.1 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {product.key}\nX-Evil: 1\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(request.encode() + body)
        heard = client.recv(65_536)
    assert heard.split()[1][:1] == b"4"
    assert product.log() == []
