"""Providers of Amazon Bedrock through real processes, with the vendors' SDKs."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import anthropic
import openai
import pytest

from local.scripted.signatures import SECRET
from tests.e2e.conftest import needs_stand_in
from tests.e2e.product import Product, call, running

ACCESS_KEY = "AKIASCRIPTED00000001"
ROLE = "arn:aws:iam::000000000000:role/bedrock"
TOOL: dict[str, object] = {"type": "object", "properties": {"file_path": {"type": "string"}}}
CREATED = {
    "model": "claude-haiku-4-5",
    "max_tokens": 4000,
    "messages": [{"role": "user", "content": "read the file a.txt"}],
    "tools": [{"name": "Read", "input_schema": TOOL}],
    "thinking": {"type": "adaptive"},
    "metadata": {"user_id": "u"},
}
SMALL = "global.anthropic.claude-haiku-4-5-20251001-v1:0"


@final
class Bedrock:
    """A product with a provider of each protocol and kind of credentials."""

    def __init__(self, product: Product) -> None:
        self.product = product

    def settings(self, provider: str) -> dict[str, Any]:
        configured: dict[str, Any] = self.configure("GET", provider)["settings"]
        return configured

    def configure(self, method: str, provider: str, change: object = None) -> dict[str, Any]:
        """Ask the control plane for a provider, or change it."""
        answered = call(
            f"{self.product.api}/api/v2/ai/providers/{provider}",
            method,
            None if change is None else json.dumps(change).encode(),
            {"Coder-Session-Token": self.product.key},
        )
        assert answered.status == 200, answered.body
        document: dict[str, Any] = answered.document
        return document

    def seen(self) -> list[dict[str, Any]]:
        """What arrived at the scripted Bedrock and its STS since the last look."""
        entries: list[dict[str, Any]] = call(f"{self.product.provider}/bedrock/_log").document
        call(f"{self.product.provider}/bedrock/_log/reset", "POST")
        return entries

    def claude(self, provider: str, retries: int = 0) -> anthropic.Anthropic:
        return anthropic.Anthropic(
            base_url=f"{self.product.gateway}/{provider}",
            api_key=self.product.key,
            max_retries=retries,
            default_headers={"Accept-Encoding": "identity"},
        )

    def record(self, response: Any) -> dict[str, Any]:  # noqa: ANN401 - either SDK's response
        found = self.product.query(
            f"interceptions/{response.headers['x-ai-gateway-interception-id']}"
        )
        document: dict[str, Any] = found.document
        return document

    def newest(self) -> dict[str, Any]:
        """Wait for the end of the newest record, and return it."""
        newest: dict[str, Any] = {}
        while newest.get("ended_at") is None:
            page = self.product.query("interceptions?limit=1&include=inflight").document
            newest = page["results"][0]
        return newest


def pair(secret: str) -> dict[str, str]:
    return {"access_key": "AKIASCRIPTED00000002", "access_key_secret": secret}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def row(name: str, base_url: str, **settings: object) -> dict[str, object]:
    plain = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
    return {"name": name, "type": "bedrock", "base_url": base_url, "settings": plain | settings}


@pytest.fixture(scope="module")
def bedrock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bedrock]:
    port = free_port()
    base = f"http://127.0.0.1:{port}/bedrock"
    rows = [
        row("invoke", base),
        row("mantle", base, protocol="mantle"),
        row("role", base, role_arn=ROLE),
        row("expired", base, role_arn=f"{ROLE}-expired"),
        row("static", base, **pair("wrong-planted")),
    ]
    variables = {
        "PROVIDER_PORT": str(port),
        "AIGW_PROVIDERS_JSON": json.dumps(rows),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL_STS": base,
        "AIGW_SNAPSHOT_POLL": "0",
    }
    with running(tmp_path_factory.mktemp("home"), **variables) as product:
        yield Bedrock(product)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", ["invoke", "mantle", "role"])
def test_thoughts_tools_and_tokens_are_told_and_recorded(
    bedrock: Bedrock, provider: str, stream: bool
) -> None:
    bedrock.product.reset_log()
    bedrock.seen()
    asked: dict[str, Any] = {**CREATED, "stream": stream}
    with (
        bedrock.claude(provider) as claude,
        claude.messages.with_streaming_response.create(**asked) as response,
    ):
        raw = b"".join(response.iter_bytes())
        assert response.headers["request-id"].startswith("req_")
    (inner,) = bedrock.product.log()
    assert b"toolu_" in raw
    assert len(raw) == inner["response_bytes"]
    record = bedrock.record(response)
    served = CREATED["model"] if provider == "mantle" else SMALL
    assert (record["outcome"], record["model"]) == ("completed", served)
    assert (record["credential_kind"], record["credential_hint"]) == ("centralized", "role")
    assert record["provider_request_id"] == inner["request_id"]
    usage = inner["answered"]["usage"]
    assert {name: record["token_usages"][0][name] for name in usage} == usage
    assert [t["content"] for t in record["model_thoughts"]] == inner["answered"]["thoughts"]
    assert [t["tool"] for t in record["tool_usages"]] == ["Read"]
    *assumed, entry = bedrock.seen()
    assert entry["service"] == ("bedrock-mantle" if provider == "mantle" else "bedrock")
    assert entry["session_name"] == ("admin" if provider == "role" else None)
    external_id = bedrock.settings("role")["external_id"]
    wanted = [{"ExternalId": external_id, "RoleSessionName": "admin", "RoleArn": ROLE}]
    told = [{name: each["assumed"][name] for name in wanted[0]} for each in assumed]
    assert told in ([], wanted)


def test_a_caller_without_a_session_gets_one_of_its_own(bedrock: Bedrock) -> None:
    bedrock.seen()
    with bedrock.claude("role") as claude:
        for _ in range(2):
            claude.messages.create(**CREATED)  # type: ignore[call-overload] # as a document
    names = [entry["session_name"] for entry in bedrock.seen() if "assumed" not in entry]
    assert names == ["admin", "admin"]


@pytest.mark.parametrize("stream", [True, False])
def test_the_openai_dialects_go_natively_through_mantle(bedrock: Bedrock, stream: bool) -> None:
    base = f"{bedrock.product.gateway}/mantle/v1"
    with openai.OpenAI(base_url=base, api_key=bedrock.product.key, max_retries=0) as gpt:
        chat = gpt.chat.completions.with_streaming_response
        turns: Any = [{"role": "user", "content": "go"}]
        with chat.create(model="gpt-oss", messages=turns, stream=stream) as response:
            response.read()
        assert bedrock.record(response)["dialect"] == "chat"
        assert bedrock.record(response)["token_usages"] != []
        with gpt.responses.with_streaming_response.create(
            model="gpt-oss", input="go", stream=stream
        ) as answer:
            answer.read()
        assert bedrock.record(answer)["dialect"] == "responses"
        assert bedrock.record(answer)["outcome"] == "completed"


def asking(claude: anthropic.Anthropic, fault: str, *, stream: bool = True) -> None:
    """Read an answer with a fault in it to its end."""
    headers = {"x-fake": fault}
    if not stream:
        claude.messages.create(**CREATED, extra_headers=headers)  # type: ignore[call-overload] # as a document
        return
    for _ in claude.messages.create(**CREATED, stream=True, extra_headers=headers):  # type: ignore[call-overload] # likewise
        pass


@pytest.mark.parametrize(
    ("fault", "status"), [("throttlingException", 429), ("serviceUnavailableException", 529)]
)
def test_an_exception_in_a_stream_is_the_error_of_the_sdk(
    bedrock: Bedrock, fault: str, status: int
) -> None:
    with bedrock.claude("invoke") as claude, pytest.raises(anthropic.APIStatusError) as raised:
        asking(claude, f"error={fault};at=4")
    assert "Scripted failure" in str(raised.value)
    kinds = {429: "rate_limited", 529: "overloaded"}
    record = bedrock.newest()
    assert (record["outcome"], record["error_type"]) == ("failed", kinds[status])


def test_a_cut_between_two_frames_raises_in_the_sdk(bedrock: Bedrock) -> None:
    with (
        bedrock.claude("invoke") as claude,
        pytest.raises(Exception, match=r"incomplete|closed|peer"),
    ):
        asking(claude, "cut;at=4")
    assert bedrock.newest()["outcome"] == "upstream_cut"


@pytest.mark.parametrize("provider", ["invoke", "mantle"])
def test_throttling_is_a_rate_limit_with_its_header(bedrock: Bedrock, provider: str) -> None:
    with bedrock.claude(provider) as claude, pytest.raises(anthropic.RateLimitError) as raised:
        asking(claude, "status=429;retry-after=17", stream=False)
    assert raised.value.response.headers["retry-after"] == "17"
    assert raised.value.body["error"]["message"] == "Scripted failure"  # type: ignore[index] # a document
    assert bedrock.newest()["error_type"] == "rate_limited"


def test_an_expired_session_is_given_up_and_tried_again(bedrock: Bedrock) -> None:
    """Bedrock says that each session is over: so each attempt of the SDK brings a new one."""
    bedrock.seen()
    with (
        bedrock.claude("expired", retries=1) as claude,
        pytest.raises(anthropic.PermissionDeniedError, match="expired"),
    ):
        asking(claude, "", stream=False)
    kinds = ["STS" if "assumed" in entry else "model" for entry in bedrock.seen()]
    assert kinds == ["STS", "model", "STS", "model"]


def test_a_pair_of_keys_signs_once_it_is_right(bedrock: Bedrock) -> None:
    """What Bedrock says of a wrong signature reaches the client without what was signed."""
    with bedrock.claude("static") as claude:
        with pytest.raises(anthropic.PermissionDeniedError, match="does not match") as raised:
            asking(claude, "", stream=False)
        assert "Canonical" not in str(raised.value)
        plain = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
        bedrock.configure("PATCH", "static", {"settings": plain | pair(SECRET)})
        bedrock.seen()
        asking(claude, "", stream=False)
    assert [entry["access_key"] for entry in bedrock.seen()] == ["AKIASCRIPTED00000002"]
    assert bedrock.newest()["credential_hint"] == "AKIA...0002"


def test_i10_no_credential_of_aws_is_kept_or_told(bedrock: Bedrock) -> None:
    """Neither keys nor tokens of sessions are in the store of the product, or in an answer."""
    with bedrock.claude("role") as claude:
        asking(claude, "", stream=False)
        with pytest.raises(anthropic.PermissionDeniedError) as raised:
            asking(claude, "status=403", stream=False)
    tokens = [entry["headers"]["x-amz-security-token"] for entry in bedrock.seen()[-2:]]
    planted = [SECRET, *tokens]
    assert not any(secret in str(raised.value.response.headers) for secret in planted)
    for path in Path(bedrock.product.state).glob("ledger.db*"):
        stored = path.read_bytes()
        assert not any(secret.encode() in stored for secret in planted), path


@pytest.mark.ministack
@pytest.mark.parametrize("stream", [True, False])
def test_i20_sandboxes_sign_with_a_secret_of_the_account(tmp_path: Path, stream: bool) -> None:
    needs_stand_in()
    port = free_port()
    rows = [row("static", f"http://127.0.0.1:{port}/bedrock", **pair(SECRET))]
    variables = {"PROVIDER_PORT": str(port), "AIGW_PROVIDERS_JSON": json.dumps(rows)}
    with running(tmp_path, "run-lambda", **variables) as product:
        reply = product.post("/static/v1/messages", {**CREATED, "stream": stream})
        (inner,) = product.log()
        assert (reply.whole, reply.sha256) == (True, inner["response_sha256"])
        record = product.record(reply)
    assert (record["outcome"], record["credential_hint"]) == ("completed", "AKIA...0002")
    assert record["model"] == SMALL
