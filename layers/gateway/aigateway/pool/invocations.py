"""Bodies of Anthropic Messages as Bedrock's InvokeModel takes them.

The model is named by the path, streaming by the operation, the version and the beta flags by
members of the body; members that Bedrock does not know are refused there. (Amazon Bedrock User
Guide, "Anthropic Claude Messages API", read 2026-07.) All other bytes stay as the client sent
them.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from aigateway.wire.splice import with_members

ANTHROPIC_VERSION = b'"bedrock-2023-05-31"'

EFFORT = "effort-2025-11-24"
CONTEXT_MANAGEMENT = "context-management-2025-06-27"
EVERY_MODEL = re.compile("")
BETAS: Mapping[str, re.Pattern[str]] = {
    "computer-use-2024-10-22": EVERY_MODEL,
    "computer-use-2025-01-24": EVERY_MODEL,
    "computer-use-2025-11-24": EVERY_MODEL,
    "context-1m-2025-08-07": EVERY_MODEL,
    "dev-full-thinking-2025-05-14": EVERY_MODEL,
    "fine-grained-tool-streaming-2025-05-14": EVERY_MODEL,
    "interleaved-thinking-2025-05-14": EVERY_MODEL,
    "output-128k-2025-02-19": EVERY_MODEL,
    "token-efficient-tools-2025-02-19": EVERY_MODEL,
    "tool-examples-2025-10-29": EVERY_MODEL,
    "tool-search-tool-2025-10-19": EVERY_MODEL,
    EFFORT: re.compile("opus-4-5"),
    CONTEXT_MANAGEMENT: re.compile("(sonnet|haiku)-4-5"),
}
"""The flags that Bedrock knows, and for which models; any other is refused there."""

REMOVED = frozenset({"model", "stream", "metadata", "service_tier", "container", "inference_geo"})
NEEDS_FLAG: Mapping[str, str] = {"output_config": EFFORT, "context_management": CONTEXT_MANAGEMENT}

GENERATION = re.compile(r"claude-(?:opus|sonnet|haiku)-([0-9]{1,2})(?:-([0-9]{1,2}))?(?![0-9])")
OLD_GENERATION = re.compile(r"claude-(?:[0-3](?:[-.][0-9])?-|v[0-9]|instant)")
ADAPTIVE_SINCE = (4, 6)
BUDGET_PERCENT: Mapping[object, int] = {"low": 20, "medium": 50, "high": 80, "max": 95}
LEAST_BUDGET_TOKENS = 1024


def invocation_body(
    body: bytes, document: Mapping[str, Any], model: str, flags: Iterable[str]
) -> bytes:
    """Return ``body`` for ``model``. ``document`` is its content, ``flags`` the client's betas."""
    inner = document.get("anthropic_beta")
    betas = betas_for(model, [*flags, *(inner if isinstance(inner, list) else ())])
    given = {"anthropic_version": ANTHROPIC_VERSION}
    removed = REMOVED | {name for name, flag in NEEDS_FLAG.items() if flag not in betas}
    if betas:
        given["anthropic_beta"] = _text(betas)
    else:
        removed |= {"anthropic_beta"}
    thinking = document.get("thinking")
    if isinstance(thinking, dict) and thinking.get("type") == "adaptive" and not adapts(model):
        given["thinking"] = _text(_budgeted(document))
    return with_members(body, given, removed)


def betas_for(model: str, flags: Iterable[object]) -> list[str]:
    """Return those flags that Bedrock knows for a model, each once, in their order."""
    known = (flag for flag in flags if isinstance(flag, str) and flag in BETAS)
    return [flag for flag in dict.fromkeys(known) if BETAS[flag].search(model)]


def adapts(model: str) -> bool:
    """Whether a model decides itself how much it thinks: since Claude 4.6.

    A model whose id does not tell its generation, as an application's inference profile, is taken
    for a new one: from 4.7 on budgets are refused.
    """
    found = GENERATION.search(model)
    if found is not None:
        return (int(found[1]), int(found[2] or 0)) >= ADAPTIVE_SINCE
    return OLD_GENERATION.search(model) is None


def _budgeted(document: Mapping[str, Any]) -> dict[str, object]:
    """Say ``adaptive`` in the words of older models: a share of what may be put out."""
    most = document.get("max_tokens")
    config = document.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    percent = BUDGET_PERCENT.get(effort if isinstance(effort, str) else "high", 80)
    tokens = most * percent // 100 if isinstance(most, int) else 0
    if tokens < LEAST_BUDGET_TOKENS:
        return {"type": "disabled"}
    return {"type": "enabled", "budget_tokens": tokens}


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
