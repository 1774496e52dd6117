"""Records ↔ items of the one table: keys, short attribute names, expiry, pieces of long texts.

Everything of a session lies in one partition, ``S#<session key>``: its ``META``, one ``I#`` item
per interception, and their texts as ``P#`` items in chunks. Attribute names are short because
they are stored and billed with every item; this module is the only one that knows them.
Times are microseconds since 1970, in keys milliseconds of 13 digits; ``expires_at`` is seconds.
"""

import hashlib
import zlib
from base64 import b32encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aigateway.clock import micros
from aigateway.interception import TOKEN_NAMES, Closed, Opened
from aigateway.ledger.documents import (
    Document,
    closed_from,
    closed_row,
    opened_from,
    opened_row,
    unpacked,
)
from aigateway.ledger.expressions import Item, well_formed
from aigateway.ledger.rows import Interception
from aigateway.transcript.facts import Thought, ToolUsage

DAY_SHARDS, OPEN_SHARDS, COUNTER_SHARDS = 8, 4, 8
TEXT_BYTES = 512
MODEL_BYTES, MESSAGE_BYTES, LISTED_CALLS = 128, 300, 256

OPENED = {
    "initiator_id": "in",
    "initiator_username": "un",
    "api_key_id": "ki",
    "provider": "pv",
    "provider_name": "pn",
    "provider_type": "ty",
    "model": "mo",
    "dialect": "di",
    "route": "rt",
    "method": "me",
    "streaming": "sm",
    "client": "cl",
    "client_version": "cv",
    "user_agent": "ua",
    "client_session_id": "cs",
    "agent_id": "ag",
    "parent_session_id": "ps",
    "auxiliary": "ax",
    "credential_kind": "ck",
    "credential_hint": "ch",
    "started_at": "st",
    "answered_calls": "pc",
    "previous_response_id": "pr",
    "thread_parent_id": "tp",
    "thread_root_id": "tr_",
    "request_bytes": "rb",
    "request_sha256": "rh",
    "retry_count": "rn",
    "agent_firewall_session_id": "fs",
    "agent_firewall_sequence_number": "fn",
    "metadata": "md",
    "has_prompt": "np",
    "expires_at": "expires_at",
}
CLOSED = {
    "ended_at": "en",
    "outcome": "oc",
    "error_type": "et",
    "error_message": "em",
    "http_status": "hs",
    "key_attempts": "ka",
    "calls": "tc",
    "provider_response_id": "rd",
    "cost_micros": "uc",
    "late": "lt",
}
TOKENS = dict(zip(TOKEN_NAMES, ("ti", "to", "tr", "tw"), strict=True))
MORE = (
    "provider_request_id",
    "provider_model",
    "stop_reason",
    "first_byte_at",
    "response_bytes",
    "undelivered_bytes",
    "deaf",
)
"""Read by nobody who reads only the record, so kept with the texts."""
FLAGS = ("usage_missing", "usage_partial", "parents_late", "hint_late", "parents_unknown")
"""Bits of ``fl``. ``late``: parent and root, or the hint, came with the closing or after it."""
LATE_PARENTS = {"thread_parent_id": "tp", "thread_root_id": "tr_"}

KEPT_WHOLE = ("client_session_id", "request_sha256")
"""Bounded where they come from; a session is found again by the former."""

META = "META"


def milliseconds(at: datetime) -> int:
    return micros(at) // 1000


def moment(ms: int, id: str = "") -> str:  # noqa: A002 - the field's name
    """Return a sort key that orders by time, then by id."""
    return f"{ms:013}#{id}"


def shard(text: str, shards: int) -> int:
    return zlib.crc32(text.encode()) % shards


def key_text(text: str) -> str:
    """Return text from outside as a part of a key: no ``#``, bounded, different if it differed."""
    return bounded_id(text).replace("%", "%25").replace("#", "%23")


def cut(text: str, limit_bytes: int) -> str:
    """Cut at a character boundary."""
    return well_formed(text).encode()[:limit_bytes].decode(errors="ignore")


def session_key(initiator_id: str, client_session_id: str) -> str:
    """Return the stored key of the session that a client named (``Opened.session_key``)."""
    text = f"{initiator_id}\0c\0{client_session_id}".encode("utf-8", "surrogatepass")
    return b32encode(hashlib.sha256(text).digest()[:16]).decode().rstrip("=").lower()


def session_partition(sid: str) -> str:
    return f"S#{sid}"


def record_key(opened: Opened) -> tuple[str, str]:
    sort = f"I#{moment(milliseconds(opened.started_at), opened.id)}"
    return session_partition(opened.session_key), sort


def client_session_partition(client_session_id: str) -> str:
    return f"X#{key_text(client_session_id)}"


def call_partition(initiator_id: str, call_id: str) -> str:
    return f"T#{initiator_id}#{key_text(call_id)}"


def response_partition(initiator_id: str, response_id: str) -> str:
    return f"R#{initiator_id}#{key_text(response_id)}"


def day_partition(day: datetime, part: int) -> str:
    return f"D#{day.astimezone(UTC):%Y%m%d}#{part}"


def month_partition(month: datetime, part: int) -> str:
    return f"L#{month.astimezone(UTC):%Y%m}#{part}"


def user_partition(user_id: str) -> str:
    return f"U#{user_id}"


def open_partition(part: int) -> str:
    return f"O#{part}"


UNPARENTED = "L#0"
"""Where closed records stand in the index of open ones while their parents are unknown."""


def expiry(expires_at: datetime | None) -> dict[str, int]:
    """Return the attribute by which an item expires, none where it is kept for ever."""
    return {} if expires_at is None else {"expires_at": micros(expires_at) // 1_000_000}


def is_expired(item: Item, now: datetime) -> bool:
    """The table deletes late: an expired item counts as absent long before it is."""
    return "expires_at" in item and bool(item["expires_at"] <= now.timestamp())


def bounded(row: Document) -> Document:
    """Cut what came from outside, so that no request is too large to be recorded."""
    kept = {
        name: cut(value, MODEL_BYTES if name == "model" else TEXT_BYTES)
        if isinstance(value, str) and name not in KEPT_WHOLE
        else value
        for name, value in row.items()
    }
    if "answered_calls" in row:
        kept["answered_calls"] = [
            [bounded_id(call_id), *rest] for call_id, *rest in row["answered_calls"][:LISTED_CALLS]
        ]
    return kept


def bounded_id(text: str) -> str:
    """Return an id as it stands in lists of ids: a long one is represented by its hash."""
    raw = well_formed(text).encode()
    return hashlib.sha256(raw).hexdigest() if len(raw) > TEXT_BYTES else raw.decode()


def opened_item(opened: Opened) -> dict[str, Any]:
    """Return the item of a record in flight, its places in the indexes included."""
    row = opened_row(opened)
    at = moment(milliseconds(opened.started_at), opened.id)
    pk, sk = record_key(opened)
    attributes = {
        OPENED[name]: int(value) if name == "has_prompt" else value
        for name, value in bounded(row).items()
        if name in OPENED and value is not False
    }
    return attributes | {
        "rh": bytes.fromhex(opened.request_sha256),
        "pk": pk,
        "sk": sk,
        "g2pk": day_partition(opened.started_at, shard(opened.initiator_id, DAY_SHARDS)),
        "g2sk": at,
        "g3pk": open_partition(shard(opened.id, OPEN_SHARDS)),
        "g3sk": at,
        **expiry(opened.expires_at),
    }


def closed_attributes(opened: Opened, closed: Closed, parts: str) -> dict[str, Any]:
    """Return what a closing sets on the item; ``parts`` names the texts that are stored."""
    row = closed_row(closed)
    facts = [heard.fact for heard in closed.rows]
    attributes = {short: row[name] for name, short in CLOSED.items() if name in row} | {
        "nt": sum(isinstance(fact, ToolUsage) for fact in facts),
        "nr": sum(isinstance(fact, Thought) for fact in facts),
        "pl": parts,
    }
    attributes["to_"] = {TOKENS.get(name, name): n for name, n in closed.tokens.items() if n}
    if closed.error_message:
        attributes["em"] = cut(closed.error_message, MESSAGE_BYTES)
    if "rd" in attributes:
        attributes["rd"] = bounded_id(attributes["rd"])
    if "tc" in attributes:
        attributes["tc"] = [
            [bounded_id(call_id), cut(tool, MODEL_BYTES)]
            for call_id, tool in row["calls"][:LISTED_CALLS]
        ]
    flags = [closed.usage_missing, closed.usage_partial, False, False, closed.parents_unknown]
    if _has_late_parents(opened, closed):
        attributes |= {short: row[f"closing_{name}"] for name, short in LATE_PARENTS.items()}
        flags[2] = True
    if closed.credential_hint and not opened.credential.hint:
        attributes["ch"] = closed.credential_hint
        flags[3] = True
    bits = sum(flag_bit(name) for name, is_set in zip(FLAGS, flags, strict=True) if is_set)
    return attributes | ({"fl": bits} if bits else {})


def flag_bit(name: str) -> int:
    return 1 << FLAGS.index(name)


def _has_late_parents(opened: Opened, closed: Closed) -> bool:
    return closed.parents is not None and opened.parents is None


def _tokens(stored: Mapping[str, int]) -> dict[str, int]:
    """Return the counts under their recorded names; what is zero is not stored."""
    names = {short: name for name, short in TOKENS.items()}
    return dict.fromkeys(TOKENS, 0) | {names.get(name, name): n for name, n in stored.items()}


def id_of(item: Item) -> str:
    """Return the interception's id out of an item's sort key."""
    return str(item["sk"]).rsplit("#", 1)[1]


def interception_from(
    item: Item,
    prompt: bytes | None = None,
    answer: bytes | None = None,
    *,
    bare: bool = True,
    payload_error: str | None = None,
) -> Interception:
    """Return the record in an item, with the texts of its two parts as far as there are some."""
    id = id_of(item)  # noqa: A001 - the field's name
    row = {name: item[short] for name, short in OPENED.items() if short in item}
    ended: Document = {name: item[short] for name, short in CLOSED.items() if short in item}
    flags = {name: bool(item.get("fl", 0) >> place & 1) for place, name in enumerate(FLAGS)}
    late: Document = {}
    if flags["parents_late"]:
        late = {f"closing_{name}": row.pop(name) for name in LATE_PARENTS}
    if flags["hint_late"]:
        ended["closing_credential_hint"] = row.pop("credential_hint")
    row["request_sha256"] = row["request_sha256"].hex()
    if "expires_at" in row:
        row["expires_at"] *= 1_000_000
    texts = unpacked(answer) if answer is not None else {}
    row |= {"id": id, "streaming": row.get("streaming", False)} | texts.get("begun", {})
    ended |= flags | texts.get("more", {}) | late
    is_closed = "en" in item
    closed = closed_from(id, ended, answer) if is_closed else None
    return Interception(
        opened=opened_from(row, prompt),
        closed=closed,
        tokens=_tokens(item["to_"]) if is_closed else {},
        calls=closed.calls
        if closed is not None and answer is not None
        else tuple((call_id, tool) for call_id, tool in ended.get("calls", ())),
        has_prompt="np" in item,
        bare=bare,
        cost_micros=item.get("uc"),
        payload_error=payload_error,
    )
