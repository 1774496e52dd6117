"""Output items of OpenAI Responses: which become tool calls, which thoughts.

Item kinds and members: platform.openai.com, API reference of the Responses object, read 2026-07.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from aigateway.transcript.calls import Call, called_from
from aigateway.transcript.notebook import identifier
from aigateway.wire.jsontext import JsonText

ThoughtSource = Literal["reasoning_summary", "reasoning_text", "commentary"]

HOSTED = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "computer_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "tool_search_call",
        "program",
        "mcp_approval_request",
    }
)
"""Calls that the provider may carry out itself, or that have a form of their own."""

CALLS = HOSTED | {"function_call", "custom_tool_call"}

_RUN_BY_CLIENT = frozenset({"local_shell_call", "apply_patch_call", "computer_call"})
_WITHOUT_FACT = frozenset(
    {"message", "reasoning", "mcp_list_tools", "compaction", "additional_tools"}
)

_ACTIONS = ("action", "actions", "operation", "arguments")
_NOT_INPUT = frozenset(
    {
        "id",
        "type",
        "status",
        "call_id",
        "name",
        "agent",
        "caller",
        "created_by",
        "server_label",
        "approval_request_id",
        "error",
        "output",
        "outputs",
        "result",
        "results",
        "fingerprint",
        "encrypted_content",
    }
)


def kind_of(item: Mapping[str, Any]) -> str:
    """Name the kind of an item, "" where it has none."""
    return identifier(item.get("type")) or ""


def is_known(kind: str) -> bool:
    """Whether an item of this kind is understood, with or without facts of its own."""
    return kind in CALLS or kind in _WITHOUT_FACT or kind.endswith("_output")


def call_of(
    item: Mapping[str, Any],
    text: Callable[[], JsonText | None],
    *,
    heard: str,
    is_finished: bool = True,
) -> Call:
    """Read an item of ``CALLS``.

    ``text`` gives the item as it was sent. ``heard`` is the input that its deltas brought, for
    an item whose own end has not come.
    """
    kind = kind_of(item)
    metadata = called_from(item)
    namespace = identifier(item.get("namespace"))
    if namespace is not None:
        metadata["namespace"] = namespace
    return Call(
        call_id=identifier(item.get("call_id")),
        item_id=identifier(item.get("id")),
        name=identifier(item.get("name")) or kind,
        input=_input(item, kind, text) or heard,
        server=identifier(item.get("server_label")),
        metadata=metadata,
        executed_by=_executed_by(item, kind),
        is_free_text=kind == "custom_tool_call",
        is_finished=is_finished,
    )


def thoughts_of(item: Mapping[str, Any]) -> Iterator[tuple[ThoughtSource, str]]:
    """Yield the texts of a reasoning item or of a commentary message, in order."""
    kind = kind_of(item)
    if kind == "reasoning":
        for text in _texts(item.get("summary"), None):
            yield "reasoning_summary", text
        for text in _texts(item.get("content"), None):
            yield "reasoning_text", text
    elif is_commentary(item):
        for text in _texts(item.get("content"), "output_text"):
            yield "commentary", text


def is_commentary(item: Mapping[str, Any]) -> bool:
    return kind_of(item) == "message" and item.get("phase") == "commentary"


def _texts(parts: object, kind: str | None) -> Iterator[str]:
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and (kind is None or part.get("type") == kind):
            text = part.get("text")
            if isinstance(text, str) and text:
                yield text


def _executed_by(item: Mapping[str, Any], kind: str) -> Literal["client", "provider"]:
    if kind not in HOSTED or kind in _RUN_BY_CLIENT:
        return "client"
    if kind == "shell_call":
        environment = item.get("environment")
        reference = environment.get("type") if isinstance(environment, dict) else None
        return "provider" if reference == "container_reference" else "client"
    if kind == "tool_search_call" and item.get("execution") == "client":
        return "client"
    return "provider"


def _input(item: Mapping[str, Any], kind: str, text: Callable[[], JsonText | None]) -> str:
    """Take arguments or input as sent; of a hosted call its action, without what came out of it."""
    member = "input" if kind == "custom_tool_call" else "arguments"
    given = item.get(member)
    if isinstance(given, str):
        return given
    sent = text()
    members = {} if sent is None else sent.members()
    if kind not in HOSTED:
        return "" if given is None else str(members[member])
    for name in _ACTIONS:
        if isinstance(item.get(name), dict | list):
            return str(members[name])
    kept = (
        f'"{name}":{value}'
        for name, value in members.items()
        if name not in _NOT_INPUT and item.get(name) is not None and name.isidentifier()
    )
    joined = ",".join(kept)
    return "{" + joined + "}" if joined else ""
