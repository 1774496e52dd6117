import json

import pytest

from aigateway.caller.clients import client_of
from aigateway.caller.lineage import lineage_of
from aigateway.transcript.facts import Answered, Dialect, Ended, TokenUsage, ToolUsage
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening, reader_for
from aigateway.wire.sse import SseFramer
from bench.load.conversation import PATHS, Asked, answer, call_id, response_id

each_dialect = pytest.mark.parametrize("dialect", PATHS)


def asked(dialect: str, **more: int) -> Asked:
    return Asked(
        number=300_001,
        dialect=dialect,
        events=50,
        gap_us=40_000,
        body_bytes=20_000,
        session="00000002-0000-4000-8000-000000000000",
        **more,
    )


@each_dialect
def test_an_answer_reads_as_finished_with_its_own_ids_its_usage_and_its_call(dialect: str) -> None:
    known = answer(dialect, 50)
    body = b"".join(known.of(300_001))
    assert body == known.body(300_001)
    reader = reader_for(Dialect(dialect), 200)
    facts = [fact for frame in SseFramer().feed(body) for fact in reader.read(frame)]
    facts += reader.end(cut=False)

    (call,) = [fact for fact in facts if isinstance(fact, ToolUsage)]
    (usage,) = [fact for fact in facts if isinstance(fact, TokenUsage)]
    answered = [fact.response_id for fact in facts if isinstance(fact, Answered)]
    assert call.call_id == call_id(dialect, 300_001)
    assert (usage.input, usage.output) == (known.usage.input, known.usage.output)
    assert answered[-1] == response_id(dialect, 300_001)
    assert [fact.outcome for fact in facts if isinstance(fact, Ended)] == ["completed"]


@each_dialect
def test_two_answers_differ_in_their_ids_and_in_nothing_else(dialect: str) -> None:
    known = answer(dialect, 30)
    one, other = known.body(1), known.body(2)
    assert one != other
    assert len(one) == len(other)


@each_dialect
def test_an_answer_has_about_the_events_it_was_asked_for(dialect: str) -> None:
    assert 0.9 < len(answer(dialect, 250).events) / 250 < 1.1


@each_dialect
def test_a_request_is_an_agents_in_a_session_and_answers_the_call_before(dialect: str) -> None:
    head, _, body = asked(dialect, answers=300_000).bytes("key").partition(b"\r\n\r\n")
    lines = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:]]
    headers = tuple((name.lower(), value) for name, value in lines)
    client = client_of(headers)
    opening = read_opening(Dialect(dialect), body, filter_for(client.name))
    lineage = lineage_of(headers, client, opening)

    assert f"Content-Length: {len(body)}".encode() in head
    assert abs(len(body) - 20_000) < 100
    assert json.loads(body)["stream"] is True
    assert lineage.client_session_id == "00000002-0000-4000-8000-000000000000"
    assert not lineage.auxiliary
    assert [call.call_id for call in opening.answered_calls] == [call_id(dialect, 300_000)]
