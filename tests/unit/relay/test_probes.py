"""Answers that need no key."""

import json

import pytest

from aigateway import __version__
from aigateway.relay.probes import asks_for_websocket, probe_answer
from aigateway.wire.messages import RequestHead


def head(method: str, target: str, **headers: str) -> RequestHead:
    pairs = ((name.replace("_", "-").encode(), text.encode()) for name, text in headers.items())
    return RequestHead(method, target.encode(), tuple(pairs))


@pytest.mark.parametrize("target", ["/", "/anthropic/api/hello", "/anything?at=all", "/healthz"])
def test_head_is_answered_on_any_path(target: str) -> None:
    answer = probe_answer(head("HEAD", target), ready=False)
    assert answer is not None
    assert answer.status == 200
    assert (b"x-ai-gateway", b"1") in answer.headers


@pytest.mark.parametrize(
    ("method", "target", "document"),
    [
        ("GET", "/", {"name": "aigateway", "version": __version__}),
        ("GET", "/healthz", {"status": "ok"}),
        ("GET", "/readyz", {"status": "ok"}),
        ("GET", "/anthropic/api/hello", {}),
        ("GET", "/anthropic/api/hello?x=1", {}),
        ("GET", "/api/v2/aibridge/anthropic/api/hello", {}),
        ("GET", "/api/v2/ai-gateway/anthropic/api/hello", {}),
        ("OPTIONS", "/anthropic/v1/messages", {}),
    ],
)
def test_the_other_probes(method: str, target: str, document: object) -> None:
    answer = probe_answer(head(method, target), ready=True)
    assert answer is not None
    assert answer.status == 200
    assert json.loads(answer.body) == document
    assert not any(name.startswith(b"access-control") for name, _ in answer.headers)


def test_a_gateway_that_is_not_ready_says_so_and_still_lives() -> None:
    answer = probe_answer(head("GET", "/readyz"), ready=False)
    assert answer is not None
    assert answer.status == 503
    assert json.loads(answer.body).keys() == {"message", "detail"}
    alive = probe_answer(head("GET", "/healthz"), ready=False)
    assert alive is not None
    assert alive.status == 200


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/"),
        ("POST", "/healthz"),
        ("POST", "/anthropic/api/hello"),
        ("GET", "/anthropic/v1/models"),
        ("GET", "/healthz/"),
        ("GET", "/a/b/api/hello"),
        ("GET", "/../api/hello"),
    ],
)
def test_everything_else_is_no_probe(method: str, target: str) -> None:
    assert probe_answer(head(method, target), ready=True) is None


@pytest.mark.parametrize(
    ("request_head", "expected"),
    [
        (head("GET", "/openai/v1/responses", upgrade="websocket"), True),
        (head("GET", "/openai/v1/responses", upgrade="WebSocket"), True),
        (head("GET", "/openai/v1/responses", upgrade="h2c, websocket"), True),
        (head("GET", "/openai/v1/responses", sec_websocket_key="x"), True),
        (head("GET", "/openai/v1/responses", upgrade="h2c"), False),
        (head("GET", "/openai/v1/responses"), False),
        (head("POST", "/openai/v1/responses", upgrade="websocket"), False),
    ],
)
def test_a_socket_is_asked_for_by_get(request_head: RequestHead, *, expected: bool) -> None:
    assert asks_for_websocket(request_head) is expected
