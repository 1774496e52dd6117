import json

from aigateway.transcript.facts import Dialect, Ended, TokenUsage, ToolUsage
from aigateway.transcript.reader import reader_for
from aigateway.wire.sse import SseFramer
from bench.traffic import request, stream


def test_a_stream_has_the_events_it_was_asked_for() -> None:
    for events in (30, 300):
        assert sum(piece.count(b"\n\n") for piece in stream(events)) == events


def test_a_stream_reads_as_a_finished_answer_with_usage_and_a_tool_call() -> None:
    reader = reader_for(Dialect.MESSAGES, 200)
    facts = [
        fact for frame in SseFramer().feed(b"".join(stream(30))) for fact in reader.read(frame)
    ]
    facts += reader.end(cut=False)

    call = next(fact for fact in facts if isinstance(fact, ToolUsage))
    assert json.loads(call.input)["command"].startswith("ls 0000; ")
    assert any(isinstance(fact, TokenUsage) for fact in facts)
    assert [fact.outcome for fact in facts if isinstance(fact, Ended)] == ["completed"]


def test_a_request_says_how_long_its_body_is() -> None:
    head, _, body = request("key", body_bytes=100_000, events=30, gap_us=0).partition(b"\r\n\r\n")

    assert f"Content-Length: {len(body)}".encode() in head
    assert abs(len(body) - 100_000) < 100
    assert json.loads(body)["stream"] is True
