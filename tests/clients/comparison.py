"""Every recorded fact against what the scripted provider heard and said.

Both sides become flat tables of facts, one row a fact, keyed by the provider's request id. What
only the provider knows of is missing, what only the record has is extra, the rest is matched or
wrong. What is said about a broken answer depends on where it broke: at its third event.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from local.scripted.codings import decoded
from tests.clients.running import Document

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
)
OVERLOADED = 529
BODY = "body:"
"""Before the name of a member of the request's body; other names are headers."""
OF_THE_BYTES = frozenset({"request_sha256", "request_bytes"})
Facts = dict[tuple[str, str], Any]


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """Whose requests they are, as the records must show it.

    ``prompts``: the words of humans and of agents that send others, as they must be recorded, by
    what the provider finds in the prompt that reaches it. ``always_has_tools``: a request
    without tools is a side request. ``rewritten``: the provider's bytes are not the client's.
    """

    client: str
    prompts: Mapping[str, str]
    always_has_tools: bool
    session: str | None = None
    agent: str | None = None
    parent: str | None = None
    rewritten: bool = False
    initiator: str = "admin"


@final
@dataclass(frozen=True, slots=True)
class Tally:
    requests: int
    matched: int
    missing: Facts = field(default_factory=dict)
    extra: Facts = field(default_factory=dict)
    wrong: dict[tuple[str, str], tuple[Any, Any]] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        return not (self.missing or self.extra or self.wrong)


def is_side(entry: Document, subject: Subject) -> bool:
    return subject.always_has_tools and entry["asked"]["tools"] == 0


def compared(log: list[Document], rows: list[Document], subject: Subject) -> Tally:
    said, recorded = _said(log, rows, subject), _recorded(rows)
    if subject.rewritten:
        said, recorded = _without_bytes(said), _without_bytes(recorded)
    both = said.keys() & recorded.keys()
    wrong = {key: (said[key], recorded[key]) for key in both if said[key] != recorded[key]}
    return Tally(
        requests=len(log),
        matched=len(both) - len(wrong),
        missing={key: said[key] for key in said.keys() - both},
        extra={key: recorded[key] for key in recorded.keys() - both},
        wrong=wrong,
    )


def _without_bytes(facts: Facts) -> Facts:
    return {key: fact for key, fact in facts.items() if key[1] not in OF_THE_BYTES}


def _said(log: list[Document], rows: list[Document], subject: Subject) -> Facts:
    ids = {row.get("provider_request_id"): row["id"] for row in rows}
    facts: Facts = {}
    for position, entry in enumerate(log):
        told = {
            "client": subject.client,
            "initiator": subject.initiator,
            "dialect": entry["asked"]["dialect"],
            "model": entry["asked"]["model"],
            "streaming": entry["asked"]["streaming"],
            "request_sha256": entry["body_sha256"],
            "request_bytes": entry["body_bytes"],
            "response_bytes": entry["response_bytes"],
            "http_status": entry["status"],
            "auxiliary": is_side(entry, subject),
            **_ids(entry, subject),
            **_prompt(entry, subject),
            **_answer(entry),
        }
        parent = _asker(entry, log[:position])
        if parent is not None:
            told["thread_parent"] = ids.get(parent)
        facts |= {(entry["request_id"], name): value for name, value in told.items()}
    return facts


def _ids(entry: Document, subject: Subject) -> dict[str, Any]:
    headers = dict(entry["headers"])

    def header(name: str | None) -> str | None:
        if name is not None and name.startswith(BODY):
            return str(_body(entry)[name.removeprefix(BODY)])
        return headers.get(name) if name else None

    session, agent = header(subject.session), header(subject.agent)
    told = {
        "session": session,
        "agent": None if agent == session else agent,
        "parent_session": header(subject.parent),
    }
    return {name: value for name, value in told.items() if value is not None}


def _prompt(entry: Document, subject: Subject) -> dict[str, Any]:
    """The words of a side request are the client's own, so the provider cannot tell them."""
    if entry["asked"]["rounds"] or is_side(entry, subject):
        return {}
    heard = entry["asked"]["prompt"]
    return {"prompt": next(p for part, p in subject.prompts.items() if part in heard)}


def _answer(entry: Document) -> dict[str, Any]:
    answered, asked = entry["answered"], entry["asked"]
    if "error" in answered:
        kind = "overloaded" if entry["status"] == OVERLOADED else "server_error"
        message = answered["error"]["message"]
        return {"outcome": "failed", "error_type": kind, "error_message": message}
    known = {"response_id": answered["response_id"]}
    if answered["fault"] == "cut":
        told = {"outcome": "upstream_cut", "error_type": "server_error"}
        if not asked["streaming"]:
            return told
        if asked["dialect"] != "messages":
            return told | known
        return told | known | _usage(answered["usage"] | {"output_tokens": 1}, partial=True)
    return {
        "outcome": "completed",
        **known,
        "stop_reason": answered["stop_reason"],
        **(_usage(answered["usage"], partial=False) if answered["usage"] else {}),
        **_numbered("tool", [_call(call) for call in answered["tool_calls"]]),
        **_numbered("thought", answered["thoughts"]),
    }


def _usage(counts: Mapping[str, int], *, partial: bool) -> dict[str, Any]:
    return {f"usage.{name}": counts[name] for name in COUNTS} | {"usage.partial": partial}


def _call(call: Mapping[str, str]) -> tuple[str, str, str]:
    return call["call_id"], call["name"], call["input"]


def _numbered(name: str, values: Iterable[Any]) -> dict[str, Any]:
    return {f"{name}.{position}": value for position, value in enumerate(values)}


def _asker(entry: Document, before: list[Document]) -> str | None:
    """The request whose tool calls this one answers: the last one with an id that is in it."""
    if not entry["asked"]["rounds"]:
        return None
    body = json.dumps(_body(entry))
    for other in reversed(before):
        calls = other["answered"].get("tool_calls", ())
        if any(call["call_id"] in body for call in calls):
            return str(other["request_id"])
    return None


def _body(entry: Document) -> Document:
    coding = dict(entry["headers"]).get("content-encoding", "")
    body: Document = json.loads(decoded(base64.b64decode(entry["body_base64"]), coding))
    return body


def _recorded(rows: list[Document]) -> Facts:
    facts: Facts = {}
    for row in rows:
        told = {
            name: row.get(name)
            for name in (
                *("client", "dialect", "model", "streaming", "request_sha256", "request_bytes"),
                *("response_bytes", "http_status", "auxiliary", "outcome", "error_type"),
                *("error_message", "stop_reason"),
            )
        }
        told |= {
            "initiator": row["initiator"]["username"],
            "response_id": row.get("provider_response_id"),
            "thread_parent": row.get("thread_parent_id"),
            "session": row.get("client_session_id"),
            "agent": row.get("agent_id"),
            "parent_session": row.get("parent_session_id"),
        }
        if not row["auxiliary"]:
            told |= {"prompt": "\n".join(p["prompt"] for p in row["user_prompts"]) or None}
        for usage in row["token_usages"]:
            told |= _usage(usage, partial=usage["partial"])
        told |= _numbered(
            "tool",
            [(u["provider_tool_call_id"], u["tool"], u["input"]) for u in row["tool_usages"]],
        )
        told |= _numbered("thought", [t["content"] for t in row["model_thoughts"]])
        key = row.get("provider_request_id") or row["id"]
        facts |= {(key, name): value for name, value in told.items() if value is not None}
    return facts
