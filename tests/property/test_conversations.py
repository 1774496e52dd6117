"""Valid conversations of each dialect: what is recorded is what their model says.

``FUZZ_CONVERSATIONS`` is how many are made of each kind (`make fuzz`); they are the same ones each
time but there.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigateway.relay.scribe import Scribe
from aigateway.transcript.facts import Dialect, Thought, TokenUsage, ToolUsage
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening
from aigateway.wire.messages import ResponseHead
from tests.clocks import HeldClock
from tests.property.codings import CODINGS, encoded, sliced
from tests.property.conversations import chat, messages, responses
from tests.property.conversations.model import Record, Row
from tests.property.conversations.requests import Asked, requests
from tests.property.conversations.wire import Response

ASKED = os.environ.get("FUZZ_CONVERSATIONS")
many = settings(
    max_examples=int(ASKED or 40),
    derandomize=ASKED is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
STREAMS = {
    Dialect.MESSAGES: messages.streams(),
    Dialect.CHAT: chat.streams(),
    Dialect.RESPONSES: responses.streams(),
}
DOCUMENTS = {
    Dialect.MESSAGES: messages.documents(),
    Dialect.CHAT: chat.documents(),
    Dialect.RESPONSES: responses.documents(),
}
cuts = st.lists(st.integers(0, 1_000_000), max_size=8)
codings = st.sampled_from(CODINGS)


def heard(response: Response, chunks: list[bytes], coding: bytes | None) -> Scribe:
    kind = b"text/event-stream" if response.is_stream else b"application/json"
    headers = [(b"content-type", kind)]
    if coding is not None:
        headers.append((b"content-encoding", coding))
    head = ResponseHead(200, tuple(headers))
    scribe = Scribe(head, response.dialect, streaming=response.is_stream, clock=HeldClock())
    for chunk in chunks:
        scribe.hear(chunk)
    scribe.end(cut=response.is_cut)
    return scribe


def row_of(fact: object) -> Row:
    if isinstance(fact, Thought):
        return ("thought", fact.source, fact.text, fact.truncated)
    assert isinstance(fact, ToolUsage)
    return ("call", fact.call_id, fact.name, fact.input, fact.input_format, fact.executed_by)


def record_of(scribe: Scribe) -> Record:
    facts = [kept.fact for kept in scribe.rows]
    counted = [
        (u.input, u.output, u.cache_read, u.cache_write, u.partial)
        for u in facts
        if isinstance(u, TokenUsage)
    ]
    answered, ended = scribe.answered, scribe.ended
    assert scribe.deaf is None
    assert ended is not None
    assert len(counted) <= 1
    return Record(
        rows=tuple(row_of(fact) for fact in facts if not isinstance(fact, TokenUsage)),
        usage=counted[0] if counted else None,
        response_id=answered.response_id if answered else None,
        model=answered.model if answered else None,
        notes={k: v for k, v in answered.notes.items() if isinstance(v, int)} if answered else {},
        outcome=ended.outcome,
        stop=ended.stop_reason,
    )


def compare(response: Response, cuts: list[int], coding: bytes | None) -> None:
    body = encoded(response.body, coding)
    assert record_of(heard(response, sliced(body, cuts), coding)) == response.record


@pytest.mark.parametrize("dialect", STREAMS)
@many
@given(data=st.data(), cuts=cuts, coding=codings)
def test_a_stream_is_recorded_as_far_as_it_came(
    dialect: Dialect, data: st.DataObject, cuts: list[int], coding: bytes | None
) -> None:
    compare(data.draw(STREAMS[dialect]), cuts, coding)


@pytest.mark.parametrize("dialect", DOCUMENTS)
@many
@given(data=st.data(), cuts=cuts, coding=codings)
def test_a_document_is_recorded_as_it_is(
    dialect: Dialect, data: st.DataObject, cuts: list[int], coding: bytes | None
) -> None:
    compare(data.draw(DOCUMENTS[dialect]), cuts, coding)


@pytest.mark.parametrize("dialect", Dialect)
@many
@given(data=st.data())
def test_a_request_is_recorded_for_what_is_new_in_it(dialect: Dialect, data: st.DataObject) -> None:
    request = data.draw(requests(dialect))
    opening = read_opening(dialect, request.body, filter_for(request.client))
    prompt = opening.prompt
    found = Asked(
        model=opening.model or "",
        streaming=opening.streaming,
        prompt=prompt.text if prompt else None,
        kind=prompt.kind if prompt else None,
        answered=tuple(call.call_id for call in opening.answered_calls),
        tools=opening.tools,
        unavailable=opening.prompt_unavailable,
    )
    assert found == request.asked
