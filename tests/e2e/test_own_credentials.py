"""Callers with credentials and rules of their own, in both compositions."""

import json
import time
from pathlib import Path

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.product import COMPOSITIONS, Product, running
from tests.planted import found_in

OWN = "sk-own-invented-credential-0123456789-abcdef"
SESSION = "invented-session-of-somebody-0123456789"
PROMPT = "say what the planted prompt says"
FOLLOW_SECONDS = 20


def key_of(product: Product, username: str) -> str:
    product.aigw("users", "create", username)
    made = product.aigw("keys", "create", "--user", username, "--json")
    secret: str = json.loads(made)["secret"]
    return secret


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_i10_an_own_credential_goes_on_and_stays_nowhere(composition: str, tmp_path: Path) -> None:
    """Whatever becomes of the request: answered, refused, failed, cut or passed through."""
    with running(tmp_path, composition) as product:
        key = key_of(product, "traveller")
        shown = {"Authorization": f"Bearer {OWN}", "X-AI-Gateway-Token": key, "Cookie": SESSION}
        for dialect, path in PATHS.items():
            for wish in ("rounds=0", "status=401", "cut;at=2"):
                body = ask(dialect, PROMPT, stream=True)
                reply = product.post(path, body, shown | {"x-fake": wish})
                assert reply.status == (401 if wish == "status=401" else 200)
                assert product.record(reply)["credential_hint"] == f"{OWN[:4]}...{OWN[-4:]}"
        product.post("/nowhere/v1/messages", ask("messages", PROMPT, stream=False), shown)
        product.post(PATHS["messages"], b"{", shown)
        foreign = shown | {"X-AI-Gateway-Token": OWN}
        assert product.post(PATHS["chat"], b"{}", foreign).status == 401
        sent = [dict(entry["headers"]) for entry in product.log()]
        assert len(sent) == 9
        assert {headers["authorization"] for headers in sent} == {f"Bearer {OWN}"}
        assert key not in json.dumps(sent)
    said = "\n".join(product.lines)
    secrets = {"own credential": OWN, "gateway key": key, "cookie": SESSION}
    assert found_in(tmp_path, said, secrets) == []
    assert found_in(tmp_path, said, {"prompt": PROMPT}), "the search reads what is stored"


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_access_rules_reach_the_gateway_and_are_held(composition: str, tmp_path: Path) -> None:
    with running(tmp_path, composition, AIGW_RELOAD_INTERVAL="1s") as product:
        key = key_of(product, "traveller")
        rules = [{"user": "traveller", "providers": ["anthropic"], "models": ["claude-haiku-*"]}]
        assert product.put("access", {"version": 0, "rules": rules}).document["version"] == 1
        assert product.put("access", {"version": 0, "rules": []}).status == 409
        assert json.loads(product.aigw("access", "show", "--json"))["rules"] == rules
        shown = {"Authorization": f"Bearer {key}"}
        body = ask("messages", PROMPT, stream=False)
        until = time.monotonic() + FOLLOW_SECONDS
        while (reply := product.post(PATHS["messages"], body, shown)).status == 200:
            assert time.monotonic() < until, "the rules reach no gateway"
        product.reset_log()
        assert (reply.status, reply.header("x-ai-gateway-error")) == (403, "not_allowed")
        assert reply.header("x-should-retry") == "false"
        assert product.post(PATHS["chat"], ask("chat", PROMPT, stream=False), shown).status == 403
        assert product.log() == []
        allowed = body | {"model": "claude-haiku-4-5"}
        assert product.post(PATHS["messages"], allowed, shown).status == 200
        assert product.post(PATHS["chat"], ask("chat", PROMPT, stream=False)).status == 200
