"""The routes beside the three dialects: model lists, token counts, telemetry of clients."""

import hashlib

from local.scripted.headers import is_anthropic
from local.scripted.log import Entry

CLAUDE_MODELS = ("claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5")
GPT_MODELS = ("gpt-5.2", "gpt-5-mini")


def side_route(entry: Entry, path: str) -> tuple[int, object]:
    """Status and document; the document is None where there is no such route."""
    anthropic = is_anthropic(path, dict(entry.headers))
    match entry.method, path.strip("/").split("/"):
        case "POST", [*_, "messages", "count_tokens"]:
            return 200, {"input_tokens": 40 + len(entry.body) // 4}
        case "POST", [*_, "event_logging", "batch"]:
            return 200, {}
        case "POST", [*_, "responses", "compact"]:
            return 200, _compaction(entry)
        case "GET", [*_, "models"] if anthropic:
            data = [_model(name, anthropic=True) for name in CLAUDE_MODELS]
            ends = {"first_id": CLAUDE_MODELS[0], "last_id": CLAUDE_MODELS[-1]}
            return 200, {"data": data, "has_more": False, **ends}
        case "GET", [*_, "models"]:
            data = [_model(name, anthropic=False) for name in GPT_MODELS]
            return 200, {"object": "list", "data": data}
        case "GET", [*_, "models", name]:
            return 200, _model(name, anthropic=anthropic)
        case _:
            return 404, None


def _model(name: str, *, anthropic: bool) -> dict[str, object]:
    if anthropic:
        created = "2026-01-01T00:00:00Z"
        return {"type": "model", "id": name, "display_name": name, "created_at": created}
    return {"id": name, "object": "model", "created": 1_767_225_600, "owned_by": "system"}


def _compaction(entry: Entry) -> dict[str, object]:
    """A shortened conversation, unreadable to its client; counts follow the size of the request."""
    serial = hashlib.sha256(entry.body).hexdigest()
    sealed = {"type": "compaction", "id": f"cmp_{serial[:24]}", "encrypted_content": serial}
    taken, given = 40 + len(entry.body) // 4, 30
    usage = {
        "input_tokens": taken,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": given,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": taken + given,
    }
    return {
        "id": f"resp_{serial[24:48]}",
        "object": "response.compaction",
        "created_at": 1_790_000_000,
        "output": [sealed],
        "usage": usage,
    }
