"""Agents with a subscription of their own: it reaches the provider, and nothing of it is kept.

Each brings a sign-in that looks like the vendor's, and the gateway's key in a header beside it.
What the composition then wrote is searched for both.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import pytest

from tests.clients.agents import CLAUDE, CODEX, Agent
from tests.clients.comparison import compared
from tests.clients.conftest import LINE
from tests.clients.running import Product, started
from tests.clients.scenarios import named
from tests.clients.test_agents import line_of, requests_of, run, subject_of, workplace
from tests.planted import found_in

pytestmark = pytest.mark.clients
TRAVELLER = "traveller"
ACCOUNT = "b1946ac9-2492-4d23-87cf-1f0e6a3c0000"
SUBSCRIPTION = "sk-ant-oat01-invented-subscription-token-0123456789"
PROVIDERS: tuple[Mapping[str, str], ...] = (
    {"name": "anthropic", "type": "anthropic", "base_url": "{P}"},
    {"name": "chatgpt", "type": "openai", "base_url": "{P}/backend-api/codex"},
)
"""Neither has a key: whatever is answered was asked with the caller's own."""


def sign_in(subject: str) -> str:
    """Return a token in the form of ChatGPT's (RFC 7519), valid until 2100, signed by nobody."""
    auth = {"chatgpt_plan_type": "pro", "chatgpt_account_id": ACCOUNT}
    claims = {
        "sub": subject,
        "email": "traveller@example.com",
        "exp": 4_102_444_800,
        "https://api.openai.com/auth": auth,
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "invented-signature"])


CHATGPT = sign_in("invented-access")
AUTH = {
    "auth_mode": "chatgpt",
    "OPENAI_API_KEY": None,
    "tokens": {
        "id_token": sign_in("invented-identity"),
        "access_token": CHATGPT,
        "refresh_token": "invented-refresh-token",
        "account_id": ACCOUNT,
    },
    "last_refresh": "2099-01-01T00:00:00Z",
}
QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ANTHROPIC_BASE_URL": "{A}"}
BESIDE = {"ANTHROPIC_CUSTOM_HEADERS": "X-AI-Gateway-Token: {K}"}


@final
@dataclass(frozen=True, slots=True)
class Owner:
    """An agent with a sign-in of its own: ``own`` is its secret, ``kept`` what goes with it."""

    agent: Agent
    own: str
    kept: Mapping[str, str]


OWNERS = {
    "claude-subscription": Owner(
        replace(CLAUDE, environment=QUIET | BESIDE | {"CLAUDE_CODE_OAUTH_TOKEN": SUBSCRIPTION}),
        SUBSCRIPTION,
        {},
    ),
    "claude-own-token": Owner(
        replace(CLAUDE, environment=QUIET | BESIDE | {"ANTHROPIC_AUTH_TOKEN": SUBSCRIPTION}),
        SUBSCRIPTION,
        {},
    ),
    "codex-chatgpt": Owner(
        replace(
            CODEX,
            environment={"GATEWAY_KEY": "{K}"},
            files={
                ".codex/auth.json": json.dumps(AUTH),
                ".codex/config.toml": """
model = "gpt-5.2"
model_provider = "gateway"
sandbox_mode = "danger-full-access"
chatgpt_base_url = "{G}/nowhere"
[model_providers.gateway]
name = "OpenAI"
base_url = "{G}/chatgpt/v1"
requires_openai_auth = true
env_http_headers = { "X-AI-Gateway-Token" = "GATEWAY_KEY" }
wire_api = "responses"
[analytics]
enabled = false
""",
            },
        ),
        CHATGPT,
        {"chatgpt-account-id": ACCOUNT, "content-encoding": "zstd"},
    ),
}
(SCENARIO,) = named("tool")


@pytest.mark.parametrize("name", OWNERS)
@pytest.mark.parametrize("door", ["run", "run-lambda"])
def test_an_own_sign_in_goes_on_and_stays_nowhere(
    name: str,
    door: str,
    tmp_path: Path,
    record_property: Any,  # noqa: ANN401 - pytest's own, of no public type
) -> None:
    owner, home, wrote = OWNERS[name], tmp_path / "home", tmp_path / "product"
    home.mkdir()
    wrote.mkdir()
    prompt = SCENARIO.prompt(owner.agent.tool, owner.agent.errand)
    with started(wrote, door, PROVIDERS) as product:
        key = key_of_traveller(product)
        form = tuple(part.replace("{P}", prompt) for part in owner.agent.arguments)
        status = run(owner.agent, form, product, home, workplace(tmp_path), key)
        log, rows = product.log(), product.recorded_since(set())
    said = "".join(product.said)
    assert status == 0, said
    subject = replace(subject_of(owner.agent, [prompt]), initiator=TRAVELLER)
    tally = compared(log, rows, subject)
    record_property(LINE, line_of(name, SCENARIO, tally))
    assert (tally.missing, tally.extra, tally.wrong) == ({}, {}, {})
    assert len(log) in requests_of(owner.agent, SCENARIO)
    for entry in log:
        sent = dict(entry["headers"])
        assert sent["authorization"] == f"Bearer {owner.own}"
        assert {header: sent[header] for header in owner.kept} == owner.kept
        assert key not in json.dumps(entry)
        assert "x-ai-gateway-token" not in sent
    hint = f"{owner.own[:4]}...{owner.own[-4:]}"
    found = {(row["credential_kind"], row["credential_hint"]) for row in rows}
    assert found == {("byok", hint)}
    assert found_in(wrote, said, {"own credential": owner.own, "gateway key": key}) == []
    assert found_in(wrote, said, {"prompt": prompt}), "the search reads what is stored"


def key_of_traveller(product: Product) -> str:
    """Make a member with a key: the admin's own is printed at the start, and kept."""
    product.aigw("users", "create", TRAVELLER)
    made = product.aigw("keys", "create", "--user", TRAVELLER, "--json")
    secret: str = json.loads(made)["secret"]
    return secret
