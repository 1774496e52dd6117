"""What is encoded reads back the same, whatever it is; cramjam is the oracle where it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.telemetry.remote_write import Sample, compressed, literal_only, message
from tests.remote_writes import members, sample_of, unpacked

LABELS = some.dictionaries(some.text(max_size=20), some.text(max_size=200), max_size=5)
SAMPLES = some.builds(
    Sample,
    LABELS.map(lambda labels: tuple(sorted(labels.items()))),
    some.none() | some.floats(allow_nan=False),
    some.integers(0, 2**62),
)


@given(some.lists(SAMPLES, max_size=8))
def test_messages_read_back_the_same(samples: list[Sample]) -> None:
    assert [sample_of(series) for _, series in members(message(samples))] == samples


@given(some.binary(max_size=400) | some.integers(0, 200_000).map(bytes))
def test_literals_read_back_the_same(content: bytes) -> None:
    assert unpacked(literal_only(content)) == content


@given(some.binary(max_size=400) | some.integers(0, 200_000).map(bytes))
def test_both_ways_of_compressing_read_back_the_same(content: bytes) -> None:
    cramjam = pytest.importorskip("cramjam", reason="it is optional, and not installed here")
    read = cramjam.snappy.decompress_raw
    assert bytes(read(literal_only(content))) == bytes(read(compressed(content))) == content
