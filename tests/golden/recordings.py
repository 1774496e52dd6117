"""Our recordings: what a client asked, what a provider answered, and the facts in both."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from aigateway.transcript.facts import Dialect, Fact, Opening
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening, reader_for
from aigateway.wire.inflate import inflater_for
from aigateway.wire.sse import framer_for

_HERE = Path(__file__).parent


@final
@dataclass(frozen=True, slots=True)
class Recording:
    """``content_type`` follows from the file's name; ``client``, ``status``, ``cut`` are given."""

    dialect: Dialect
    name: str
    request: bytes
    response: bytes
    content_type: bytes
    client: str
    status: int
    cut: bool
    request_coding: str
    opening: dict[str, Any]
    facts: list[dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.dialect}/{self.name}"


def _read(folder: Path) -> Recording:
    expected = json.loads((folder / "facts.json").read_bytes())
    given = expected["given"]
    streamed = folder / "response.sse"
    response = streamed if streamed.exists() else folder / "response.json"
    return Recording(
        dialect=Dialect(folder.parent.name),
        name=folder.name,
        request=(folder / "request.json").read_bytes(),
        response=response.read_bytes(),
        content_type=b"text/event-stream" if response is streamed else b"application/json",
        client=given["client"],
        status=given["status"],
        cut=given["cut"],
        request_coding=given.get("request_coding", "identity"),
        opening=expected.get("opening", {}),
        facts=expected.get("facts", []),
    )


RECORDINGS = tuple(_read(path.parent) for path in sorted(_HERE.glob("*/*/facts.json")))


def opening_in(recording: Recording) -> Opening:
    return read_opening(recording.dialect, recording.request, filter_for(recording.client))


def facts_in(
    recording: Recording, chunks: Iterable[bytes], coding: bytes | None = None
) -> list[Fact]:
    """Read a response as the scribe does, from chunks in a content coding."""
    inflater = inflater_for(coding)
    framer = framer_for(recording.content_type, streaming=False)
    reader = reader_for(recording.dialect, recording.status)
    facts: list[Fact] = []
    for chunk in chunks:
        for frame in framer.feed(inflater.feed(chunk)):
            facts += reader.read(frame)
    frames = framer.feed(inflater.end())
    for frame in frames if recording.cut else [*frames, *framer.end()]:
        facts += reader.read(frame)
    return [*facts, *reader.end(cut=recording.cut)]


def as_json(facts: Iterable[Fact]) -> list[dict[str, Any]]:
    return [{"fact": type(fact).__name__, **asdict(fact)} for fact in facts]
