"""The incremental framer against the specification, read literally over the whole stream."""

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from aigateway.wire.frames import Frame
from aigateway.wire.sse import RawEvents, SseFramer


def oracle(stream: bytes) -> list[Frame]:
    frames: list[Frame] = []
    data, event = b"", ""
    *lines, _ = re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf"))
    for line in lines:
        if line == b"":
            if data:
                frames.append(Frame(event, data[:-1]))
            data, event = b"", ""
        elif not line.startswith(b":"):
            name, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            if name == b"data":
                data += value + b"\n"
            elif name == b"event":
                event = value.decode("utf-8", "replace")
    return frames


parts = st.sampled_from(
    [
        *(b"data", b"event", b"id", b":", b": ", b" ", b"x", b"\xff", b"\x00", "é".encode()),
        *(b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf"),
        *(b"data: {}\n\n", b"event: ping\r\ndata: 1\r\n\r\n"),
    ]
)
streams = st.one_of(st.lists(parts, max_size=30).map(b"".join), st.binary(max_size=60))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(stream=streams, cuts=st.lists(st.integers(0, 200), max_size=10))
def test_any_stream_at_any_cuts_is_framed_as_the_specification_says(
    stream: bytes, cuts: list[int]
) -> None:
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    framer = SseFramer()
    frames = [frame for start, end in pairwise(edges) for frame in framer.feed(stream[start:end])]
    assert [*frames, *framer.end()] == oracle(stream)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(stream=streams, cuts=st.lists(st.integers(0, 200), max_size=10))
def test_raw_events_are_the_stream_cut_behind_its_blank_lines(
    stream: bytes, cuts: list[int]
) -> None:
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    splitter = RawEvents()
    events = [e for start, end in pairwise(edges) for e in splitter.feed(stream[start:end])]
    assert splitter.size == len(stream) - sum(map(len, events))
    rest = splitter.rest()
    assert b"".join(events) + rest == stream
    framer = SseFramer()
    for event in events:
        *_, blank = event.splitlines(keepends=True)
        assert not blank.strip(b"\r\n")
    frames = [frame for event in [*events, rest] for frame in framer.feed(event)]
    assert frames == oracle(stream)
    for event in events:
        assert len(SseFramer().feed(event)) <= 1
