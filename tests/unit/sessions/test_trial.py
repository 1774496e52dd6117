"""One question to a provider, with its own key and to its own host."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from aigateway.errors import UpstreamTimeout, UpstreamUnreachable
from aigateway.ledger.sqlite import SqliteStore
from aigateway.outbound import Reply, Request
from aigateway.pool.drafts import drafted
from aigateway.pool.providers import ProviderRow
from aigateway.pool.secrets import FileSecrets
from aigateway.sessions.bodies import BodyInvalid
from aigateway.sessions.trial import Trial
from aigateway.settings import Settings
from tests.clocks import HeldClock
from tests.unit.sessions.test_providers import Desk, a_desk
from tests.unit.test_outbound import answering, peer

PLANTED = "sk-ant-planted-0123456789"


async def tried(
    tmp_path: Path,
    answer: Reply | Exception,
    **members: Any,  # noqa: ANN401 - members
) -> tuple[dict[str, Any], Request]:
    """Try a provider whose answer is told; return what came of it, and what was sent."""
    draft = drafted({"name": "mine", "type": "anthropic", **members})
    secrets = FileSecrets(tmp_path / "secrets.json")
    await secrets.put(draft.keys)
    sent: list[Request] = []

    def send(request: Request) -> Reply:
        sent.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    trial = Trial(secrets, Settings(), send)
    return await trial.run(ProviderRow("mine", draft.document, 1)), sent[0]


def reply(status: int) -> Reply:
    return Reply(status, {}, PLANTED.encode(), 0.1234)


async def test_the_first_key_asks_for_the_models(tmp_path: Path) -> None:
    found, sent = await tried(tmp_path, reply(200), api_keys=[PLANTED, "sk-two"])
    assert (sent.method, sent.url) == ("GET", "https://api.anthropic.com/v1/models")
    assert sent.headers["X-Api-Key"] == PLANTED
    assert sent.headers["anthropic-version"] == "2023-06-01"
    key = found.pop("key")
    assert (key["masked"], set(key)) == ("sk-a...6789", {"id", "masked"})
    assert found == {
        "provider": "mine", "url": sent.url, "ok": True, "status": 200, "latency_ms": 123,
        "detail": "",
    }  # fmt: skip
    assert PLANTED not in str(found)


async def test_the_other_family_takes_a_bearer_behind_its_own_path(tmp_path: Path) -> None:
    members = {"type": "openai-compat", "base_url": "https://h.example:8443/x/v1/"}
    found, sent = await tried(tmp_path, reply(401), api_keys=["sk-one"], **members)
    assert sent.url == "https://h.example:8443/x/v1/models"
    assert sent.headers["Authorization"] == "Bearer sk-one"
    assert (found["ok"], found["status"]) == (False, 401)
    assert found["detail"] == "The provider answered 401."


async def test_without_a_key_it_is_only_reached(tmp_path: Path) -> None:
    found, sent = await tried(tmp_path, reply(401), type="copilot")
    assert "Authorization" not in sent.headers
    assert (found["ok"], found["key"], found["status"]) == (False, None, 401)
    assert "asked without one" in found["detail"]


@pytest.mark.parametrize(
    "fault", [UpstreamUnreachable("no answer: gaierror"), UpstreamTimeout("no answer within 10 s")]
)
async def test_what_cannot_be_reached_is_told(tmp_path: Path, fault: Exception) -> None:
    found, _ = await tried(tmp_path, fault)
    assert (found["ok"], found["status"], found["latency_ms"]) == (False, None, None)
    assert found["detail"] == f"{fault}."


async def test_the_first_key_that_can_be_read_is_taken(tmp_path: Path) -> None:
    draft = drafted({"name": "mine", "type": "openai", "api_keys": ["sk-one", "sk-two"]})
    secrets = FileSecrets(tmp_path / "secrets.json")
    await secrets.put({ref: key for ref, key in draft.keys.items() if key == "sk-two"})
    sent: list[Request] = []

    def send(request: Request) -> Reply:
        sent.append(request)
        return reply(200)

    trial = Trial(secrets, Settings(), send)
    found = await trial.run(ProviderRow("mine", draft.document, 1))
    assert found["key"]["id"] == draft.document["api_keys"][1]["id"]
    assert sent[0].headers["Authorization"] == "Bearer sk-two"
    await secrets.remove(draft.keys)
    found = await trial.run(ProviderRow("mine", draft.document, 1))
    assert (found["key"], found["detail"]) == (
        None, "The provider can be reached, but none of its keys can be read.",
    )  # fmt: skip


async def test_a_row_that_cannot_be_built_is_not_tried(tmp_path: Path) -> None:
    with pytest.raises(BodyInvalid) as raised:
        await tried(tmp_path, reply(200), base_url="https://10.0.0.1")
    assert [fault.field for fault in raised.value.faults] == ["base_url"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    secrets = FileSecrets(tmp_path / "secrets.json")
    loopback = (ip_network("127.0.0.0/8"),)
    made = a_desk(SqliteStore(None), secrets, HeldClock(), allowed_private_cidrs=loopback)
    yield made
    made.api.handler.stop()


def test_a_call_of_the_api_asks_the_provider_itself(desk: Desk) -> None:
    seen: list[bytes] = []
    with peer(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", seen)) as port:
        desk.add(base_url=f"http://127.0.0.1:{port}", api_keys=[PLANTED])
        answer = desk.call("POST", "/mine/test")
    assert (answer.status, answer.document["ok"]) == (200, True)
    assert seen[0].startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert PLANTED.encode() in seen[0]
    assert desk.api.get("interceptions", include="inflight").document["count"] == 0
