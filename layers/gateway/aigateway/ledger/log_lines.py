"""Records that only a log holds, read out of its lines, however those were saved.

Known are the lines as functions write them, also behind what ``aws logs tail`` or an export puts
before them; events as ``aws logs filter-log-events`` prints them, as one document or one a line;
and lines of the file that a gateway keeps on one machine.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, final

from aigateway.ledger.transfer import LineInvalid

Fields = Mapping[str, Any]

DECODER = json.JSONDecoder()
MEMBER = '"message":'
"""How the line of a printed document begins that holds an event's own line."""


def objects_in(line: bytes) -> Iterator[Fields]:
    """Yield the JSON objects that a line logs; none where it is not of ours."""
    text = line.decode(errors="replace").strip()
    if text.startswith(MEMBER):
        text = f"{{{text.rstrip(',')}}}"
    yield from _objects(text)


def _objects(text: str) -> Iterator[Fields]:
    start = text.find("{")
    if start < 0:
        return
    try:
        found, _ = DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return
    events = found.get("events")
    for each in events if isinstance(events, list) else [found]:
        if not isinstance(each, dict):
            continue
        message = each.get("message")
        if isinstance(message, str) and "{" in message and "record_type" not in each:
            yield from _objects(message)
        else:
            yield each


@final
class RecordTexts:
    """Puts records together from lines, in whatever order their parts come, and how often."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, str]] = {}
        self._whole: set[str] = set()

    @property
    def unfinished(self) -> int:
        """The number of records of which parts are missing."""
        return len(self._parts.keys() - self._whole)

    def take(self, fields: Fields) -> bytes | None:
        """Return a record as a line of an export, once all of it is there.

        ``None`` for a line that holds none. Raises ``LineInvalid`` for one that should.
        """
        if "opened" in fields and "v" in fields:
            return json.dumps(fields).encode()
        if fields.get("stored") is not False or fields.get("record_type") != "interception_end":
            return None
        text, name = fields.get("record"), fields.get("interception_id")
        if not isinstance(text, str) or not isinstance(name, str):
            raise LineInvalid("the line says that nothing is stored, and holds no record")
        part, parts = fields.get("part", 1), fields.get("parts", 1)
        if not isinstance(part, int) or not isinstance(parts, int) or not 1 <= part <= parts:
            raise LineInvalid("a part without a number")
        held = self._parts.setdefault(name, {})
        held[part] = text
        if len(held) < parts:
            return None
        del self._parts[name]
        self._whole.add(name)
        return "".join(held[number] for number in sorted(held)).encode(errors="surrogatepass")
