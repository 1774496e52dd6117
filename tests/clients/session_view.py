"""A session as the API shows it, against the requests that it is made of."""

from typing import Any
from urllib.parse import quote

from tests.clients.comparison import COUNTS, Subject
from tests.clients.running import Document, Product
from tests.clients.scenarios import ERRAND

LAST_PROMPT_CHARACTERS = 200
"""The list shows no more of a prompt."""


def compare_session(
    product: Product, subject: Subject, log: list[Document], prompts: list[str]
) -> None:
    """The session of the log's first request: its sums, its last prompt, its threads, its calls.

    Where a client names no sub-agent the errand is a prompt like another: neither the last one
    nor the number of threads is looked at then.
    """
    rows = product.records("interceptions", limit="100")["results"]
    first = next(row for row in rows if row.get("provider_request_id") == log[0]["request_id"])
    key = first["session_id"]
    mine = product.records("interceptions", session_id=key, limit="100")["results"]
    (summary,) = [s for s in product.records("sessions")["sessions"] if s["id"] == key]
    sums = {name: sum(row["token_usages"][0][name] for row in mine) for name in COUNTS}
    assert {name: summary["token_usage_summary"][name] for name in COUNTS} == sums
    assert summary["client"] == subject.client
    compare_calls(product, key, log, {row.get("provider_request_id") for row in mine})
    is_told_of_agents = subject.agent is not None or subject.parent is not None
    if is_told_of_agents or all(ERRAND not in entry["asked"]["prompt"] for entry in log):
        last = list(subject.prompts.values())[-1]
        assert summary["last_prompt"] == last[:LAST_PROMPT_CHARACTERS]
        assert summary["threads"] == len(prompts)


def compare_calls(product: Product, key: str, log: list[Document], requests: set[Any]) -> None:
    """Every tool call of the session stands once in its threads, as it was made."""
    detail = product.records(f"sessions/{quote(key, safe='')}")
    shown = [
        (call["provider_tool_call_id"], call["tool"], call["input"])
        for thread in detail["threads"]
        for action in thread["agentic_actions"]
        for call in action["tool_calls"]
    ]
    made = {
        (call["call_id"], call["name"], call["input"])
        for entry in log
        if entry["request_id"] in requests
        for call in entry["answered"]["tool_calls"]
    }
    assert made <= set(shown)
    assert len(set(shown)) == len(shown)
