"""What passes a gateway beside the session of ``make demo``: other clients, models, dialects.

So that each figure of a dashboard has something to show: reads of a cache, reasoning, a tool, a
list of models, a wrong key. Nothing depends on the answers, and a real provider, which ignores
the header ``x-fake``, may refuse what it likes.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, final
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60
NOBODYS_KEY = "aigw_" + "0" * 16 + "_" + "demo-without-a-key".ljust(43, "-")
PROMPT = "Which of the tests is the slowest?"


@final
@dataclass(frozen=True, slots=True)
class Other:
    """One request. ``key`` stands in for the caller's own; without a ``body`` it is a GET."""

    path: str
    user_agent: str
    body: Mapping[str, Any] | None = None
    wishes: str = ""
    key: str | None = None


def _messages(model: str, **more: object) -> Mapping[str, Any]:
    said = {"role": "user", "content": PROMPT}
    return {"model": model, "max_tokens": 1000, "stream": True, "messages": [said], **more}


OTHERS = (
    Other(
        "/anthropic/v1/messages",
        "claude-cli/2.1.0 (external, cli)",
        _messages("claude-sonnet-5"),
        "rounds=0;think=The durations are in the report;usage=14,380,48200,2100",
    ),
    Other(
        "/openai/v1/responses",
        "codex_cli_rs/0.98.0",
        {"model": "gpt-5-mini", "stream": True, "input": PROMPT},
        "tools=shell;usage=950,120,2560,0",
    ),
    Other(
        "/openai/v1/chat/completions",
        "opencode/1.0.0",
        {
            "model": "gpt-5-mini",
            "stream": True,
            "messages": [{"role": "user", "content": PROMPT}],
        },
        "rounds=0;usage=700,90,1024,0",
    ),
    Other("/anthropic/v1/models", "claude-cli/2.1.0 (external, cli)"),
    Other(
        "/anthropic/v1/messages",
        "claude-cli/2.1.0 (external, cli)",
        _messages("claude-sonnet-5"),
        key=NOBODYS_KEY,
    ),
)


def drive_others(gateway: str, key: str) -> list[int]:
    """Send them through ``gateway``, a base URL; return the statuses, 0 for no answer."""
    return [_status(gateway, key, other) for other in OTHERS]


def _status(gateway: str, key: str, other: Other) -> int:
    address = urlsplit(gateway)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
    headers = {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "user-agent": other.user_agent,
        "authorization": f"Bearer {other.key or key}",
        "x-fake": other.wishes,
    }
    body = None if other.body is None else json.dumps(other.body)
    try:
        connection.request("GET" if body is None else "POST", other.path, body, headers)
        answer = connection.getresponse()
        with suppress(HTTPException):  # cut short is answered, too
            answer.read()
    except (OSError, HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()
