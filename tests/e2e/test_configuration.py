"""Providers are configured while the product runs, in either composition."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import pytest

from tests.e2e.asks import ask
from tests.e2e.product import Product, Reply, call, running

FIRST, SECOND = "sk-ant-planted-0123456789", "sk-ant-planted-9876543210"
KEPT_HERE = ("secrets.json", "aws")
"""Where keys lie in a state directory: the file, or what stands for Secrets Manager."""


@final
class Api:
    """The configuration API of a running product, and everything that it answered."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.said = b""

    def call(self, method: str, path: str = "", document: object = None) -> Reply:
        body = None if document is None else json.dumps(document).encode()
        url = f"{self.product.api}/api/v2/ai/providers{path}"
        reply = call(url, method, body, {"Coder-Session-Token": self.product.key})
        self.said += reply.body
        return reply

    def ask(self, name: str = "spare") -> Reply:
        return self.product.post(f"/{name}/v1/messages", ask("messages", "hello", stream=True))


@pytest.fixture
def api(composition: str, tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path, composition) as product:
        yield Api(product)


def spare(api: Api, **members: object) -> dict[str, Any]:
    return {"name": "spare", "type": "anthropic", "base_url": api.product.provider, **members}


def places_of(state: Path, text: str) -> set[str]:
    """Return the names, below a state directory, of what holds the text."""
    return {
        path.relative_to(state).parts[0]
        for path in state.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    }


def test_a_provider_is_added_changed_disabled_and_deleted_under_traffic(api: Api) -> None:
    assert api.ask().status == 404
    made = api.call("POST", "", spare(api, api_keys=[FIRST]))
    assert made.status == 201, made.body
    until(api, 200, FIRST)
    changed = api.call("PATCH", "/spare", {"api_keys": [SECOND], "display_name": "Spare"})
    assert changed.document["display_name"] == "Spare"
    until(api, 200, SECOND)
    assert api.call("PATCH", "/spare", {"enabled": False}).document["status"]["state"] == "disabled"
    refused = until(api, 503)
    assert refused.header("x-ai-gateway-error") == "provider_disabled"
    assert api.call("PATCH", "/spare", {"enabled": True}).status == 200
    until(api, 200)
    tried = api.call("POST", "/spare/test")
    assert (tried.document["ok"], tried.document["status"]) == (True, 200)
    assert api.call("DELETE", f"/{made.document['id']}").status == 204
    until(api, 404)
    assert api.product.query("interceptions?provider_name=spare").document["count"] > 0


def until(api: Api, status: int, key: str | None = None) -> Reply:
    """Ask until the gateway answers so: a change is published by a function of its own."""
    for _ in range(200):
        reply = api.ask()
        if reply.status == status and key in (None, last_key(api)):
            return reply
    raise AssertionError(f"the gateway never answered {status}")


def last_key(api: Api) -> str | None:
    """Return the key that the provider saw last."""
    return next((v for n, v in api.product.log()[-1]["headers"] if n.lower() == "x-api-key"), None)


def test_a_key_lies_where_keys_lie_and_nowhere_else(api: Api) -> None:
    api.call("POST", "", spare(api, api_keys=[FIRST]))
    refused = spare(api, name="api", api_keys=[SECOND], base_url="https://10.0.0.1")
    assert api.call("POST", "", refused).status == 400
    until(api, 200)
    for path in ("", "/spare"):
        assert api.call("GET", path).status == 200
    api.call("POST", "/spare/test")
    state = api.product.state
    assert places_of(state, FIRST) <= set(KEPT_HERE)
    api.call("DELETE", "/spare")
    assert api.product.end() == 0
    assert api.product.process.stdout is not None
    printed = api.product.process.stdout.read()
    for key in (FIRST, SECOND):
        assert key not in api.said.decode() + printed
    assert places_of(state, SECOND) == set()
    assert not (state / "secrets.json").exists() or places_of(state, FIRST) == set()
