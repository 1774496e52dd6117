import json
from dataclasses import asdict
from functools import partial
from zlib import compressobj

import brotli  # type: ignore[import-untyped] # ships no types
import pytest
import zstandard

from aigateway.errors import Misheard
from aigateway.transcript.facts import Dialect, Ended, TokenUsage
from aigateway.transcript.prompts import filter_for
from aigateway.transcript.reader import read_opening
from aigateway.wire.inflate import inflated
from tests.golden.recordings import RECORDINGS, Recording, as_json, facts_in, opening_in

each = partial(pytest.mark.parametrize, "recording", RECORDINGS, ids=str)


def gzipped(body: bytes) -> bytes:
    packer = compressobj(wbits=31)
    return packer.compress(body) + packer.flush()


CODINGS = {
    b"gzip": gzipped,
    b"br": brotli.compress,
    b"zstd": zstandard.ZstdCompressor().compress,
}


@each()
def test_a_recording_gives_its_facts_in_order(recording: Recording) -> None:
    assert as_json(facts_in(recording, [recording.response])) == recording.facts


@each()
def test_a_recorded_request_gives_its_opening(recording: Recording) -> None:
    opening = asdict(opening_in(recording))
    assert {**opening, "answered_calls": list(opening["answered_calls"])} == recording.opening


@each()
def test_a_request_reads_the_same_in_every_content_coding(recording: Recording) -> None:
    for coding, packed in CODINGS.items():
        body = inflated(packed(recording.request), coding)
        opening = read_opening(recording.dialect, body, filter_for(recording.client))
        assert opening == opening_in(recording)


@each()
def test_i13_every_recording_ends_with_how_it_ended(recording: Recording) -> None:
    facts = facts_in(recording, [recording.response])
    assert [type(fact) for fact in facts].index(Ended) == len(facts) - 1


@each()
def test_i16_tokens_are_those_of_the_last_report_which_is_kept_as_sent(
    recording: Recording,
) -> None:
    for fact in facts_in(recording, [recording.response]):
        if isinstance(fact, TokenUsage):
            assert fact.raw in recording.response.decode()
            report = json.loads(fact.raw)
            assert fact.output == report.get("output_tokens", report.get("completion_tokens"))


@pytest.mark.parametrize("dialect", Dialect)
def test_a_request_that_is_no_json_object_is_misheard(dialect: Dialect) -> None:
    for body in (b"", b"[]", b'"x"', b'{"model":', b"\x00\xff"):
        with pytest.raises(Misheard, match="not_json"):
            read_opening(dialect, body, filter_for("Unknown"))


@pytest.mark.parametrize("dialect", Dialect)
def test_a_route_without_prompts_records_none(dialect: Dialect) -> None:
    body = b'{"model":"m","input":"hi","messages":[{"role":"user","content":"hi"}]}'
    opening = read_opening(dialect, body, None)
    assert opening.model == "m"
    assert opening.prompt is None
    assert opening.prompt_unavailable is None
