"""Facts depend on the bytes of a response, and on nothing else about how they come."""

import json
from collections.abc import Iterable
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigateway.errors import Misheard
from aigateway.transcript.facts import Dialect, Ended, Fact
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening, reader_for
from aigateway.wire.frames import Frame
from tests.golden.recordings import RECORDINGS, Recording, as_json, facts_in
from tests.property.codings import encoded, sliced

recordings = st.sampled_from(RECORDINGS)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@quick
@given(
    recording=recordings,
    cuts=st.lists(st.integers(0, 1_000_000), max_size=8),
    coding=st.sampled_from([None, b"gzip", b"br", b"zstd"]),
)
def test_i04_facts_do_not_depend_on_the_cuts(
    recording: Recording, cuts: list[int], coding: bytes | None
) -> None:
    body = encoded(recording.response, coding)
    assert as_json(facts_in(recording, sliced(body, cuts), coding)) == recording.facts


@pytest.mark.parametrize("coding", [None, b"gzip", b"br", b"zstd"])
@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_i04_facts_are_the_same_byte_by_byte(recording: Recording, coding: bytes | None) -> None:
    body = encoded(recording.response, coding)
    single = [body[at : at + 1] for at in range(len(body))]
    assert as_json(facts_in(recording, single, coding)) == recording.facts


def heard(dialect: Dialect, status: int, frames: Iterable[Frame]) -> list[Fact]:
    reader = reader_for(dialect, status)
    facts: list[Fact] = []
    for frame in frames:
        facts += reader.read(frame)
    return [*facts, *reader.end(cut=False)]


NAMES = """
type message index delta content_block id name input usage output item response choices
tool_calls function arguments error code status object content summary text thinking
finish_reason stop_reason reasoning_content output_index item_id call_id iterations
input_tokens prompt_tokens input_tokens_details partial_json incomplete_details
service_tier reasoning_details server_name caller environment action x_groq messages role
metadata tools
""".split()  # noqa: SIM905 - so many words read better as a text
WORDS = """
message_start content_block_start content_block_delta content_block_stop message_delta
message_stop error tool_use thinking redacted_thinking response.created response.completed
response.failed response.output_item.added response.output_item.done function_call message
response.function_call_arguments.delta response.reasoning_summary_text.delta reasoning
custom_tool_call web_search_call commentary response chat.completion user assistant
tool_result function_call_output compaction max_tokens incomplete failed � é
""".split()  # noqa: SIM905 - so many words read better as a text
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([*WORDS, "", "{}", "\ud800"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=25,
)
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)


def as_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=True).encode("utf-8", "surrogatepass")


@settings(quick, max_examples=200)
@given(
    dialect=st.sampled_from(Dialect),
    events=st.lists(
        st.tuples(st.sampled_from([None, "", *WORDS]), st.one_of(objects, values)), max_size=6
    ),
    status=st.sampled_from([200, 200, 200, 429]),
)
def test_any_json_in_any_place_is_read_without_a_fault(
    dialect: Dialect, events: list[tuple[str | None, object]], status: int
) -> None:
    frames = [Frame(name, as_bytes(value)) for name, value in events]
    facts = heard(dialect, status, frames)
    assert [type(fact) for fact in facts].index(Ended) == len(facts) - 1
    assert heard(dialect, status, frames) == facts
    json.dumps(as_json(facts), ensure_ascii=False).encode()


@settings(quick, max_examples=200)
@given(dialect=st.sampled_from(Dialect), body=objects)
def test_any_json_request_has_an_opening(dialect: Dialect, body: dict[str, object]) -> None:
    opening = read_opening(dialect, as_bytes(body), filter_for("Claude Code"))
    json.dumps(asdict(opening), ensure_ascii=False).encode()


@quick
@given(recording=recordings, noise=st.binary(max_size=200), at=st.integers(0, 100_000))
def test_any_bytes_raise_nothing_but_misheard(recording: Recording, noise: bytes, at: int) -> None:
    at %= len(recording.response) + 1
    body = recording.response[:at] + noise + recording.response[at + len(noise) :]
    for coding in (None, b"gzip", b"br", b"zstd", b"deflate"):
        try:
            facts_in(recording, sliced(body, [at]), coding)
            facts_in(
                recording, sliced(encoded(recording.response, coding)[:at] + noise, []), coding
            )
        except Misheard:
            continue


@quick
@given(body=st.binary(max_size=300), dialect=st.sampled_from(Dialect))
def test_any_request_bytes_raise_nothing_but_misheard(body: bytes, dialect: Dialect) -> None:
    try:
        read_opening(dialect, body, filter_for("Codex"))
    except Misheard:
        return
