"""Texts of a record ↔ items: compressed, cut into chunks, checked when they are read.

Part 0 is the prompt, written with the opening; part 1 is everything the answer said, and every
field that the record itself holds cut or not at all. A part lies in its items, or in an object
that its only item names. Size and hash are those of the text before it was compressed.
"""

import hashlib
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, final

from aigateway.interception import Closed, Opened
from aigateway.ledger.documents import (
    ZLIB,
    closed_row,
    closed_text,
    opened_row,
    packed,
    unpacked,
)
from aigateway.ledger.expressions import Item
from aigateway.ledger.items import MORE, bounded, bounded_id, expiry, id_of, session_partition

CHUNK_BYTES = 350_000
"""An item holds 400 KB, its names and keys included (DynamoDB quota, read 2026-07)."""
PROMPT_PART, ANSWER_PART = 0, 1
NAMES = {PROMPT_PART: "prompt", ANSWER_PART: "answer"}
OBJECTS = "p/"
"""What the keys of all objects begin with."""

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
    chunks = [text[at : at + CHUNK_BYTES] for at in range(0, len(text), CHUNK_BYTES)]
    items = [_item(opened, part, number) | {"z": chunk} for number, chunk in enumerate(chunks)]
    items[0] |= _measured(text)
    if len(chunks) > 1:
        items[0]["ck"] = len(chunks)
    return items


def object_item(opened: Opened, part: int, text: bytes) -> dict[str, Any]:
    """Return the item of a part that lies in an object; ``ob`` is the object's key."""
    month = f"{opened.started_at.astimezone(UTC):%Y/%m}"
    key = f"{OBJECTS}{opened.initiator_id}/{month}/{opened.id}-{part}.z"
    return _item(opened, part, 0) | {"ob": key} | _measured(text)


def _item(opened: Opened, part: int, number: int) -> dict[str, Any]:
    pk, sk = payload_key(session_partition(opened.session_key), opened.id, part, number)
    return {"pk": pk, "sk": sk, **expiry(opened.expires_at)}


def _measured(text: bytes) -> dict[str, Any]:
    raw = zlib.decompress(text[1:])
    return {"sz": len(raw), "sh": hashlib.sha256(raw).hexdigest()}


def size_limit(item: Item) -> int:
    """Return more bytes than the object of this item has.

    What cannot be compressed grows by less than a thousandth (zlib, ``compressBound``).
    """
    size = int(item["sz"])
    return size + size // 1000 + 64


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


@final
@dataclass(frozen=True, slots=True)
class Texts:
    """The two parts of a record; ``error`` names those that are lost, and why.

    The reasons: ``missing``, ``altered`` (it is not what was written), ``no_bucket`` (this
    process knows of none), ``refused`` and ``unreachable`` (by the bucket).
    """

    prompt: bytes | None
    answer: bytes | None
    error: str | None


def texts_of(item: Item, found: Mapping[tuple[str, str], Item]) -> Texts:
    """Put a record's parts together, as far as all of each is there and as it was written."""
    texts: dict[int, bytes] = {}
    errors: list[str] = []
    for part in parts_stored(item):
        text = _joined(item, part, found)
        if isinstance(text, bytes):
            texts[part] = text
        else:
            errors.append(f"{NAMES[part]}_{text}")
    if errors:
        log.warning(
            "a stored text cannot be read",
            extra={"interception_id": id_of(item), "payload_error": ", ".join(errors)},
        )
    return Texts(texts.get(PROMPT_PART), texts.get(ANSWER_PART), ", ".join(errors) or None)


def _joined(item: Item, part: int, found: Mapping[tuple[str, str], Item]) -> bytes | str:
    """Return a part, or why there is none."""
    pk, id = item["pk"], id_of(item)  # noqa: A001 - the field's name
    first = payload_key(pk, id, part, 0)
    keys = [payload_key(pk, id, part, number) for number in range(_chunks(found, first))]
    if any(key not in found for key in keys):
        return "missing"
    if "why" in found[first]:
        return str(found[first]["why"])
    text = b"".join(found[key]["z"] for key in keys)
    return text if _is_intact(text, found[first]) else "altered"


def _is_intact(text: bytes, first: Item) -> bool:
    """Compare with the hash; what is longer than it was is not unpacked to its end."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(text[1:], int(first["sz"]) + 1)
    except zlib.error:
        return False
    is_whole = text[:1] == ZLIB and inflater.eof and not inflater.unused_data
    return is_whole and hashlib.sha256(raw).hexdigest() == first["sh"]
