"""Providers that are misconfigured: each on its own, and told to those who can help."""

import json

import pytest

from tests.acceptance.stage import Stage, blocking
from tests.acceptance.words import PATHS, message, messages

PROVIDERS = "/api/v2/ai/providers"
GO = json.dumps(messages("go")).encode()


async def test_row_54_an_invalid_base_url_breaks_its_own_provider_only(stage: Stage) -> None:
    await stage.add_user("root", "admin")
    await stage.add_provider("broken", "anthropic", "https://10.0.0.1")
    state = await stage.store.reload_state()
    assert state.succeeded_at == state.attempted_at is not None
    status, shown = stage.call("GET", f"{PROVIDERS}/broken", "root")
    assert (status, shown["status"]["state"]) == (200, "error")
    assert shown["status"]["reason"].startswith("base_url: ")
    refused = await stage.send("/broken/v1/messages", GO)
    assert (refused.status, refused.headers["x-ai-gateway-error"]) == (503, "provider_error")
    assert refused.headers["x-should-retry"] == "false"
    stage.peer.scripts.append(blocking(message()))
    assert (await stage.send(PATHS["messages"], GO)).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://h.example",
        "https://10.0.0.1",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]",
        "http://127.0.0.1:8080",
        "https://user:secret@h.example",
    ],
)
async def test_defect_44_a_base_url_is_https_and_public(stage: Stage, url: str) -> None:
    await stage.add_user("root", "admin")
    body = {"name": "inner", "type": "openai", "base_url": url}
    status, document = stage.call("POST", PROVIDERS, "root", body)
    assert (status, [fault["field"] for fault in document["validations"]]) == (400, ["base_url"])
    assert stage.call("GET", f"{PROVIDERS}/inner", "root")[0] == 404
