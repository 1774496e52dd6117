import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.golden.recordings import RECORDINGS, Recording
from tests.unit.cli.conftest import Aigw

STREAM = next(
    each
    for each in RECORDINGS
    if (each.dialect, each.content_type, each.cut) == ("messages", b"text/event-stream", False)
    and {"ToolUsage", "TokenUsage"} <= {fact["fact"] for fact in each.facts}
    and each.facts[-1].get("outcome") == "completed"
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "response"


def replayed(aigw: Aigw, file: Path, content: bytes, *arguments: str) -> dict[str, Any]:
    file.write_bytes(content)
    said = aigw("replay", str(file), "--json", *arguments)
    assert said.status == 0, said.err
    document: dict[str, Any] = said.document
    return document


def facts(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the facts that become rows: those are told in the order of the recording."""
    return [each for each in document["facts"] if each["fact"] not in ("Answered", "Ended")]


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_a_recording_gives_its_facts(aigw: Aigw, kept: Path, recording: Recording) -> None:
    kept.write_bytes(recording.response)
    arguments = ["--dialect", recording.dialect, "--status", str(recording.status)]
    said = aigw("replay", str(kept), "--json", *arguments, *(["--cut"] if recording.cut else []))
    assert sorted(map(json.dumps, said.document["facts"])) == sorted(
        map(json.dumps, recording.facts)
    )


def test_the_dialect_is_told_by_a_whole_response(aigw: Aigw, kept: Path) -> None:
    for recording in RECORDINGS:
        if recording.status == 200 and b'"usage"' in recording.response and not recording.cut:
            document = replayed(aigw, kept, recording.response)
            assert document["dialect"] == recording.dialect, recording


def chunked(body: bytes) -> bytes:
    cut = len(body) // 3
    parts = (body[:cut], body[cut : 2 * cut], body[2 * cut :])
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_a_head_a_coding_and_chunks_are_undone(aigw: Aigw, kept: Path) -> None:
    body = STREAM.response
    expected = facts(replayed(aigw, kept, body))
    assert expected
    zipped = gzip.compress(body)
    cases: list[tuple[bytes, list[str]]] = [
        (HEAD + b"\r\n" + body, []),
        (HEAD.replace(b"\r\n", b"\n") + b"\n" + body, []),
        (b"HTTP/2 200 \r\ncontent-type: text/event-stream\r\n\r\n" + body, []),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\n" + body, []),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body), []),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body, []),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + zipped, []),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + body, ["--coding", "identity"]),
        (zipped, ["--coding", "gzip"]),
    ]
    for content, arguments in cases:
        assert facts(replayed(aigw, kept, content, *arguments)) == expected, content[:60]


def test_the_status_is_the_heads_unless_told_otherwise(aigw: Aigw, kept: Path) -> None:
    error = b'{"type":"error","error":{"type":"rate_limit_error","message":"m"}}'
    body = b"HTTP/1.1 429 Slow\r\n\r\n" + error
    document = replayed(aigw, kept, body, "--dialect", "messages")
    (ended,) = [fact for fact in document["facts"] if fact["fact"] == "Ended"]
    assert (document["status"], ended["error_type"]) == (429, "rate_limited")
    document = replayed(aigw, kept, body, "--dialect", "messages", "--status", "529")
    assert document["facts"][-1]["http_status"] == 529


def test_people_read_the_facts_one_below_the_other(aigw: Aigw, kept: Path) -> None:
    kept.write_bytes(STREAM.response)
    said = aigw("replay", str(kept))
    assert said.status == 0
    assert said.out.startswith(f"{STREAM.dialect} · status 200 · ")
    assert "\nTokenUsage\n  " in said.out
    assert "\nEnded\n  outcome: completed\n" in said.out


def test_a_cut_body_gives_what_was_said(aigw: Aigw, kept: Path) -> None:
    half = STREAM.response[: len(STREAM.response) // 2]
    document = replayed(aigw, kept, half, "--cut")
    assert document["facts"][-1]["outcome"] == "upstream_cut"


def test_what_is_not_understood_is_told(aigw: Aigw, kept: Path) -> None:
    kept.write_bytes(b"hello")
    assert aigw("replay", str(kept)).status == 2
    said = aigw("replay", str(kept), "--coding", "gzip", "--dialect", "chat")
    assert (said.status, said.err) == (1, "aigw: the rest was not understood: broken_encoding\n")
    assert said.out
    missing = aigw("replay", str(kept.parent / "nothing"))
    assert missing.status == 1
    assert "cannot be read: No such file" in missing.err


def test_standard_input_is_a_file_too(aigw: Aigw, monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.TextIOWrapper(io.BytesIO(STREAM.response))
    monkeypatch.setattr(sys, "stdin", piped)
    assert json.loads(aigw("replay", "-", "--json").out)["dialect"] == STREAM.dialect
