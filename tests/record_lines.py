"""The lines of records as a public contract, and what a Logs Insights query asks of them."""

import re

EVERY_LINE = frozenset(
    {
        "@timestamp", "message", "record_type", "interception_id", "session_id", "initiator_id",
        "client", "provider", "provider_name", "model",
    }
)  # fmt: skip
FIELDS = {
    "interception_start": {
        "api_key_id", "client_session_id", "started_at", "metadata", "correlating_tool_call_id",
        "thread_parent_id", "thread_root_id",
    },
    "interception_end": {"ended_at", "outcome", "error_type", "http_status", "duration_ms"},
    "token_usage": {
        "msg_id", "input_tokens", "output_tokens", "cache_read_input_tokens",
        "cache_write_input_tokens", "created_at", "metadata", "provider_model", "cost_micros",
    },
    "prompt_usage": {"msg_id", "prompt", "created_at", "metadata"},
    "tool_usage": {
        "msg_id", "tool_call_id", "item_id", "tool", "input", "server_url", "injected",
        "invocation_error", "created_at", "metadata",
    },
    "model_thought": {"content", "created_at", "metadata"},
}  # fmt: skip
"""What a line holds beside that, by its ``record_type``: names of the reference product
(coder/coder, recording and logging of its AI gateway), and ours."""

RECORD_TYPE = re.compile(r'record_type = "(\w+)"')
STRING = re.compile(r'"[^"]*"')
NAME = re.compile(r"@?[a-z_]+")
ALIAS = re.compile(r" as ([a-z_]+)")
WORDS = frozenset(
    {
        "fields", "filter", "stats", "sort", "limit", "and", "or", "by", "as", "asc", "desc",
        "count", "count_distinct", "sum", "latest", "bin",
    }
)  # fmt: skip


def fields_of(query: str) -> tuple[set[str], frozenset[str]]:
    """Return the fields that a query names, and those of the lines that it filters.

    It has to filter by one ``record_type``, as a line of another one lacks the fields.
    """
    [kind] = RECORD_TYPE.findall(query)
    text = STRING.sub("", query)
    named = set(NAME.findall(text)) - WORDS - set(ALIAS.findall(text))
    return named, EVERY_LINE | FIELDS[kind]
