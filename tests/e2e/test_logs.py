"""Where the lines of a running product end up, and what is in them."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.product import KEY, Product, Reply, running
from tests.figures import points

ASKED = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "stream": True,
    "messages": [{"role": "user", "content": "text=hello"}],
}
LOOKS = 100


def written(product: Product) -> list[str]:
    """Return the whole lines that the gateway has written so far that are JSON."""
    name = "logs/gateway.log" if product.on_lambda else "records/gateway.ndjson"
    path = product.state / name
    text = path.read_text() if path.exists() else ""
    return [line for line in text.rpartition("\n")[0].splitlines() if line.startswith("{")]


def lines_of(product: Product, reply: Reply) -> list[dict[str, Any]]:
    """Return the lines of one interception: they are written once the client has its answer."""
    interception = reply.header("x-ai-gateway-interception-id")
    for _ in range(LOOKS):
        product.query("sessions")
        lines = (json.loads(line) for line in written(product))
        found = [line for line in lines if line.get("interception_id") == interception]
        is_told = any(line.get("record_type") == "interception_end" for line in found)
        if is_told and (not product.on_lambda or any("_aws" in line for line in found)):
            return found
    raise AssertionError("the record is not in the log")


def test_a_record_is_in_the_log_as_it_is_in_the_store(product: Product) -> None:
    reply = product.post("/anthropic/v1/messages", ASKED, {"x-session-id": "s-logs"})
    assert reply.whole
    record = product.record(reply)
    lines = [line for line in lines_of(product, reply) if "record_type" in line]
    assert [line["record_type"] for line in lines] == [
        "interception_start",
        "prompt_usage",
        "token_usage",
        "interception_end",
    ]
    start, prompt, usage, end = lines
    assert all(line["message"] == "interception log" for line in lines)
    assert all("stored" not in line for line in lines)
    assert start["started_at"] == record["started_at"]
    assert prompt["prompt"] == record["user_prompts"][0]["prompt"]
    assert usage["output_tokens"] == record["token_usages"][0]["output_tokens"]
    assert (end["ended_at"], end["outcome"]) == (record["ended_at"], "completed")
    assert all(("function_request_id" in line) is product.on_lambda for line in lines)


def test_a_function_writes_figures_too_and_one_machine_does_not(product: Product) -> None:
    reply = product.post("/anthropic/v1/messages", ASKED)
    figures = [line for line in lines_of(product, reply) if "_aws" in line]
    if not product.on_lambda:
        assert figures == []
        return
    (line,) = figures
    provider = ("Provider", "anthropic"), ("service", "ai-gateway")
    assert points(json.dumps(line))["Interceptions", provider] == [1]
    ticks = (product.state / "logs" / "reload.log").read_text().splitlines()
    found = [points(line) for line in ticks if line.startswith('{"_aws"')]
    assert {name for each in found for name, _ in each} >= {
        "ProviderNotEnabled",
        "ProvidersNotEnabled",
        "ReloadAttempts",
        "ReloadSuccessAgeSeconds",
        "PublisherOk",
        "Inflight",
    }


def test_i10_no_line_of_any_process_shows_a_key(product: Product) -> None:
    reply = product.post("/anthropic/v1/messages", ASKED, {"cookie": "sid=planted-0a1b2c3d"})
    lines_of(product, reply)
    product.query("sessions", key=KEY)
    for folder in ("logs", "records"):
        for path in (product.state / folder).glob("*"):
            text = path.read_text()
            assert KEY not in text
            assert "planted-0a1b2c3d" not in text


def test_lines_of_records_are_only_the_owners_to_read(product: Product) -> None:
    lines_of(product, product.post("/anthropic/v1/messages", ASKED))
    folder = product.state / ("logs" if product.on_lambda else "records")
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_on_one_machine_everything_may_go_to_standard_output(tmp_path: Path) -> None:
    with running(tmp_path, AIGW_LOG_FORMAT="json", AIGW_LOG_CONTENT="false") as product:
        reply = product.post("/anthropic/v1/messages", ASKED)
        assert reply.status == 200
        product.process.terminate()
        output, _ = product.process.communicate(timeout=30)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    interception = reply.header("x-ai-gateway-interception-id")
    kinds = [line["record_type"] for line in lines if line.get("interception_id") == interception]
    assert kinds[0] == "interception_start"
    assert "prompt_usage" in kinds
    assert "text=hello" not in output
    assert not (product.state / "records").exists()


def test_nothing_is_told_of_records_where_that_is_switched_off(tmp_path: Path) -> None:
    with running(tmp_path, AIGW_STRUCTURED_LOGGING="false") as product:
        assert product.post("/anthropic/v1/messages", ASKED).status == 200
        assert product.end() == 0
    assert [*(product.state / "records").glob("*")] == []
