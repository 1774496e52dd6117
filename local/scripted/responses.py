"""OpenAI Responses, as the service sends it (public API reference, read 2026-07)."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from local.scripted.conversation import INJECTED, Said, position
from local.scripted.script import (
    CUT_SHORT,
    Ask,
    Body,
    Reply,
    Thinking,
    Tool,
    identifier,
    pieces,
    sse,
)

prefixes: Mapping[str, str] = MappingProxyType(
    {"response": "resp_", "call": "call_", "item": "fc_", "request": "req_"}
)
stops = ("completed", "completed")
Item = dict[str, Any]
Event = dict[str, Any]
AGENT_ID = re.compile(r'"agent_id" ?: ?"([^"]+)"')


def read(body: Body, body_bytes: int) -> Ask:
    """Raises ``ValueError`` where the service answers 400."""
    if not isinstance(body.get("model"), str):
        raise ValueError("Missing required parameter: 'model'.")  # noqa: TRY004
    given = body.get("input") or []
    prompt, rounds = (given, 0) if isinstance(given, str) else position(_said(given))
    format_ = (body.get("text") or {}).get("format") or {}
    return Ask(
        model=body["model"],
        streaming=body.get("stream") is True,
        prompt=prompt,
        rounds=rounds,
        tools=() if body.get("tool_choice") == "none" else tuple(_tools(body.get("tools") or [])),
        thinking=_thinking(body.get("reasoning") or {}),
        schema=format_.get("schema") if format_.get("type") == "json_schema" else None,
        body_bytes=body_bytes,
        encrypted="reasoning.encrypted_content" in (body.get("include") or ()),
        agents=() if isinstance(given, str) else tuple(_agents(given)),
    )


def _thinking(asked: Mapping[str, Any]) -> Thinking:
    if not asked or asked.get("effort") == "none":
        return "off"
    return "shown" if asked.get("summary") not in {None, "none"} else "hidden"


def _tools(tools: list[Body], namespace: str | None = None) -> Iterator[Tool]:
    for tool in tools:
        match tool.get("type"):
            case "function":
                schema = tool.get("parameters") or {}
                yield Tool(tool["name"], schema, namespace=namespace)
            case "custom":
                yield Tool(tool["name"], {}, custom=True, namespace=namespace)
            case "namespace":
                yield from _tools(tool.get("tools") or [], tool["name"])


def _said(items: list[Body]) -> Iterator[Said]:
    for item in reversed(items):
        kind = str(item.get("type") or "message")
        if kind.endswith("_output"):
            yield "result", ""
        elif kind.endswith("_call"):
            yield "call", ""
        elif kind == "message" and item.get("role") == "user":
            content = item.get("content") or ""
            texts = [content] if isinstance(content, str) else _texts(content)
            own = [text for text in texts if not text.lstrip().startswith(INJECTED)]
            if own:
                yield "human", "\n".join(own)
        else:
            yield "other", ""


def _agents(items: list[Body]) -> Iterator[str]:
    """Ids in what Codex's ``spawn_agent`` gave back."""
    for item in items:
        output = item.get("output")
        if str(item.get("type")).endswith("_output") and isinstance(output, str):
            yield from AGENT_ID.findall(output)


def _texts(parts: list[Body]) -> list[str]:
    return [part["text"] for part in parts if part.get("type") == "input_text"]


def _output(ask: Ask, reply: Reply) -> Iterator[Item]:
    for index, thought in enumerate(reply.thoughts):
        sealed = "gAAAA" + identifier(reply.serial, f"sealed{index}", 60) + "=="
        yield {
            "id": "rs_" + identifier(reply.serial, f"reasoning{index}"),
            "type": "reasoning",
            "summary": [] if reply.hidden else [{"type": "summary_text", "text": thought}],
            **({"encrypted_content": sealed} if ask.encrypted else {}),
        }
    if reply.text:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": reply.text}
        yield {
            "id": "msg_" + identifier(reply.serial, "message"),
            "type": "message",
            "status": "completed",
            "content": [part],
            "role": "assistant",
        }
    for call in reply.calls:
        kind, field = ("custom_tool_call", "input") if call.custom else FUNCTION
        yield {
            "id": ("ctc_" if call.custom else "fc_") + call.item_id.removeprefix("fc_"),
            "type": kind,
            "status": "completed",
            field: call.input,
            "call_id": call.call_id,
            "name": call.name,
            **({"namespace": call.namespace} if call.namespace else {}),
        }


FUNCTION = ("function_call", "arguments")


def _usage(reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.output,
    }


def document(ask: Ask, reply: Reply) -> dict[str, Any]:
    cut_short = reply.stop in CUT_SHORT
    return {
        **_response(reply, "incomplete" if cut_short else "completed"),
        "incomplete_details": {"reason": reply.stop} if cut_short else None,
        "output": list(_output(ask, reply)),
        "usage": _usage(reply),
    }


def _response(reply: Reply, status: str) -> dict[str, Any]:
    return {
        "id": reply.response_id,
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": reply.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": {},
    }


def _item_events(item: Item, at: int, count: int) -> Iterator[Event]:
    """From ``output_item.added`` to ``output_item.done`` for one item of the output."""
    emptied = {"summary": [], "content": [], "arguments": "", "input": "", "status": "in_progress"}
    opened = {key: emptied.get(key, value) for key, value in item.items()}
    yield {"type": "response.output_item.added", "output_index": at, "item": opened}
    where = {"item_id": item["id"], "output_index": at}
    match item["type"]:
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield from _part(part, {**where, "summary_index": index}, REASONING, 0)
        case "message":
            part = item["content"][0]
            yield from _part(part, {**where, "content_index": 0}, CONTENT, count)
        case "function_call":
            yield from _text("response.function_call_arguments", "arguments", item, where)
        case "custom_tool_call":
            yield from _text("response.custom_tool_call_input", "input", item, where)
    yield {"type": "response.output_item.done", "output_index": at, "item": item}


REASONING = ("response.reasoning_summary_part", "response.reasoning_summary_text")
CONTENT = ("response.content_part", "response.output_text")


def _part(part: Item, where: Event, names: tuple[str, str], count: int) -> Iterator[Event]:
    part_name, text_name = names
    extra: Event = {"logprobs": []} if text_name == CONTENT[1] else {}
    yield {"type": f"{part_name}.added", **where, "part": {**part, "text": ""}}
    for piece in pieces(part["text"], count):
        yield {"type": f"{text_name}.delta", **where, "delta": piece, **extra}
    yield {"type": f"{text_name}.done", **where, "text": part["text"], **extra}
    yield {"type": f"{part_name}.done", **where, "part": part}


def _text(name: str, field: str, item: Item, where: Event) -> Iterator[Event]:
    for piece in pieces(item[field]):
        yield {"type": f"{name}.delta", **where, "delta": piece}
    yield {"type": f"{name}.done", **where, field: item[field]}


def events(ask: Ask, reply: Reply) -> Iterator[bytes]:
    """A stream, numbered from 0 by ``sequence_number``."""
    for number, event in enumerate(_events(ask, reply)):
        yield sse({**event, "sequence_number": number}, event["type"])


def _events(ask: Ask, reply: Reply) -> Iterator[Event]:
    begun = _response(reply, "in_progress")
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    whole = document(ask, reply)
    for at, item in enumerate(whole["output"]):
        yield from _item_events(item, at, reply.pieces)
    yield {"type": f"response.{whole['status']}", "response": whole}


def error_event(reply: Reply, kind: str, sent: int, *, failed: bool) -> bytes:
    message = "Scripted failure"
    if failed:
        response = {**_response(reply, "failed"), "error": {"code": kind, "message": message}}
        event = {"type": "response.failed", "response": response, "sequence_number": sent}
        return sse(event, "response.failed")
    event = {"type": "error", "code": kind, "message": message, "param": None}
    return sse({**event, "sequence_number": sent}, "error")
