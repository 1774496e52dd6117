"""Metrics through the whole product, as a Prometheus would scrape them."""

import time
from pathlib import Path

from tests.e2e.asks import MESSAGES, ask
from tests.e2e.product import Product, Reply, call, running

PATIENCE_SECONDS = 60.0
ASKED = 3


def scraped(product: Product, key: str | None = None) -> Reply:
    return call(f"{product.api}/metrics", headers={"Authorization": f"Bearer {key or product.key}"})


def awaited(product: Product, line: str) -> str:
    """Scrape until the text has a line; a tick comes every second."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    text = ""
    while time.monotonic() < deadline:
        reply = scraped(product)
        assert reply.status == 200, reply.body
        text = reply.body.decode()
        if line in text.splitlines():
            return text
    raise AssertionError(f"no {line} in {text}")


def test_what_was_asked_is_scraped(composition: str, tmp_path: Path) -> None:
    with running(tmp_path, composition, AIGW_RELOAD_INTERVAL="1s") as product:
        asks = [ask("messages", f"ping {number}", stream=True) for number in range(ASKED)]
        replies = [product.post(MESSAGES, each) for each in asks]
        assert [reply.status for reply in replies] == [200] * ASKED
        who = product.record(replies[0])["initiator"]["id"]
        text = awaited(
            product,
            'coder_ai_gateway_prompts_total{client="Unknown",initiator_id="'
            f'{who}",model="claude-sonnet-5",provider="anthropic"}} {ASKED}',
        )
        assert f'provider="anthropic",route="/v1/messages",status="completed"}} {ASKED}\n' in text
        assert 'provider_info{provider_name="anthropic",provider_type="anthropic"' in text
        assert scraped(product, "aigw_00112233445566bb_" + "k" * 43).status == 401
