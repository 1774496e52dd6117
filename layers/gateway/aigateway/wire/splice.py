"""One member put into a JSON object's bytes, every other byte left as it is.

Encoding a document again would reorder, round or escape what is in it, so only the bytes of the
edit itself are new.
"""

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


def _is_object(value: JsonText) -> bool:
    return value.text.startswith("{", value.start)


def _inserted(body: bytes, place: JsonText, member: str) -> bytes:
    """Put ``member`` first in the object at ``place``."""
    comma = "," if next(place.named(), None) is not None else ""
    at = place.start + 1
    return body[:at] + (member + comma).encode() + body[at:]
