"""Texts of a record ↔ items: compressed, cut into chunks, checked when they are read.

Part 0 is the prompt, written with the opening; part 1 is everything the answer said, and every
field that the record itself holds cut or not at all.
"""

import hashlib
import logging
import zlib
from collections.abc import Mapping
from typing import Any

from aigateway.interception import Closed, Opened
from aigateway.ledger.documents import (
    closed_row,
    closed_text,
    opened_row,
    opened_text,
    packed,
    unpacked,
)
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import MORE, bounded, bounded_id, expiry, id_of, session_partition

CHUNK_BYTES = 350_000
"""An item holds 400 KB, its names and keys included (DynamoDB quota, read 2026-07)."""
PROMPT_PART, ANSWER_PART = 0, 1

log = logging.getLogger(__name__)


def payload_key(pk: str, id: str, part: int, chunk: int) -> tuple[str, str]:  # noqa: A002 - the field's name
    return pk, f"P#{id}#{part}.{chunk}"


def answer_text(opened: Opened, closed: Closed) -> bytes:
    """Return part 1: the answer's texts, and the fields that the record lacks or holds cut."""
    row, begun = closed_row(closed), opened_row(opened)
    kept = {name for name in MORE if name in row}
    kept |= {name for name in row if name.startswith("closing_")}
    if row.get("provider_response_id", "") != bounded_id(row.get("provider_response_id", "")):
        kept.add("provider_response_id")
    whole = {name: begun[name] for name, value in bounded(begun).items() if value != begun[name]}
    more = {name: row[name] for name in kept}
    texts = unpacked(closed_text(closed))
    return packed(texts | ({"more": more} if more else {}) | ({"begun": whole} if whole else {}))


def pieces(opened: Opened, part: int, text: bytes) -> list[dict[str, Any]]:
    """Return the items of one part; the first one knows how many there are, and the hash."""
    raw = zlib.decompress(text[1:])
    chunks = [text[at : at + CHUNK_BYTES] for at in range(0, len(text), CHUNK_BYTES)]
    pk = session_partition(opened.session_key)
    items = []
    for number, chunk in enumerate(chunks):
        key = payload_key(pk, opened.id, part, number)
        items.append({"pk": key[0], "sk": key[1], "z": chunk, **expiry(opened.expires_at)})
    items[0] |= {"sz": len(raw), "sh": hashlib.sha256(raw).hexdigest()}
    if len(chunks) > 1:
        items[0]["ck"] = len(chunks)
    return items


def prompt_items(opened: Opened) -> list[dict[str, Any]]:
    """Return the items of part 0, none without a prompt."""
    text = opened_text(opened)
    return [] if text is None else pieces(opened, PROMPT_PART, text)


def answer_items(opened: Opened, closed: Closed) -> list[dict[str, Any]]:
    return pieces(opened, ANSWER_PART, answer_text(opened, closed))


def parts_stored(item: Item) -> tuple[int, ...]:
    """Return the parts that belong to a record."""
    prompt = (PROMPT_PART,) if "np" in item else ()
    return (*prompt, ANSWER_PART) if "pl" in item else prompt


def first_chunks(item: Item) -> list[tuple[str, str]]:
    return [payload_key(item["pk"], id_of(item), part, 0) for part in parts_stored(item)]


def further_chunks(item: Item, found: Mapping[tuple[str, str], Item]) -> list[tuple[str, str]]:
    """Return the keys of the chunks that follow the first ones, which say how many."""
    return [
        payload_key(item["pk"], id_of(item), part, number)
        for part in parts_stored(item)
        for number in range(1, _chunks(found, payload_key(item["pk"], id_of(item), part, 0)))
    ]


def _chunks(found: Mapping[tuple[str, str], Item], first: tuple[str, str]) -> int:
    return int(found.get(first, {}).get("ck", 1))


def joined(item: Item, part: int, found: Mapping[tuple[str, str], Item]) -> bytes | None:
    """Put a record's part together; ``None`` if a chunk is missing or the bytes are not ours."""
    pk, id = item["pk"], id_of(item)  # noqa: A001 - the field's name
    first = payload_key(pk, id, part, 0)
    keys = [payload_key(pk, id, part, number) for number in range(_chunks(found, first))]
    if any(key not in found for key in keys):
        return None
    text = b"".join(found[key]["z"] for key in keys)
    try:
        raw = zlib.decompress(text[1:])
    except zlib.error:
        raw = b""
    if hashlib.sha256(raw).hexdigest() != found[first]["sh"]:
        log.warning("a stored text is damaged", extra={"interception_id": id, "part": part})
        return None
    return text
