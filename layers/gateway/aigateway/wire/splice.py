"""Members put into a JSON object's bytes or taken out, every other byte left as it is.

Encoding a document again would reorder, round or escape what is in it, so only the bytes of the
edit itself are new.
"""

from collections.abc import Collection, Mapping

from aigateway.wire.jsontext import JsonText


def with_nested_true(body: bytes, outer: str, inner: str) -> bytes | None:
    """Return ``body`` with the member ``inner`` of its object ``outer`` set to true.

    ``outer`` is made as the first member where there is none, ``inner`` likewise within it; a
    value other than true is replaced. ``None`` where nothing is to be done or the place is not
    plain: no object, ``outer`` no object, either name there twice. Only for a body that ``loads``
    accepted; the names must be plain ASCII without quotes and backslashes.
    """
    whole = JsonText.of_bytes(body)
    if not _is_object(whole):
        return None
    outers = [value for name, value in whole.named() if name == outer]
    if not outers:
        return _inserted(body, whole, f'"{outer}":{{"{inner}":true}}')
    if len(outers) > 1 or not _is_object(outers[0]):
        return None
    inners = [value for name, value in outers[0].named() if name == inner]
    if not inners:
        return _inserted(body, outers[0], f'"{inner}":true')
    if len(inners) > 1 or str(inners[0]) == "true":
        return None
    return body[: inners[0].start] + b"true" + body[inners[0].end :]


def with_members(body: bytes, given: Mapping[str, bytes], removed: Collection[str]) -> bytes:
    """Return ``body`` with the members ``given`` (JSON texts) and without those ``removed``.

    A member that is there keeps its place, each of several of one name; a new one comes first.
    Only for an object that ``loads`` accepted; the names must be plain ASCII without quotes and
    backslashes.
    """
    whole = JsonText.of_bytes(body)
    begins = whole.start + 1
    kept: list[bytes] = []
    at, missing = begins, dict(given)
    for name, value in whole.named():
        piece = body[at : value.start] + given.get(name, body[value.start : value.end])
        missing.pop(name, None)
        if name not in removed:
            kept.append(piece if kept or at == begins else piece[piece.index(b",") + 1 :])
        at = value.end
    new = [f'"{name}":'.encode() + text for name, text in missing.items()]
    comma = b"," if new and kept else b""
    return body[:begins] + b",".join(new) + comma + b"".join(kept) + body[at:]


def _is_object(value: JsonText) -> bool:
    return value.text.startswith("{", value.start)


def _inserted(body: bytes, place: JsonText, member: str) -> bytes:
    """Put ``member`` first in the object at ``place``."""
    comma = "," if next(place.named(), None) is not None else ""
    at = place.start + 1
    return body[:at] + (member + comma).encode() + body[at:]
