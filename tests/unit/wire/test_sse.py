import pytest

from aigateway.errors import Misheard
from aigateway.wire.frames import BodyFramer, Frame
from aigateway.wire.sse import SseFramer, framer_for


def frames_of(stream: bytes, size: int | None = None) -> list[Frame]:
    framer = SseFramer()
    step = size or max(1, len(stream))
    frames = [
        frame
        for start in range(0, len(stream), step)
        for frame in framer.feed(stream[start : start + step])
    ]
    return [*frames, *framer.end()]


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7])
@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\n"])
def test_lines_may_end_in_any_of_three_ways(ending: bytes, size: int | None) -> None:
    stream = b"event: a\ndata: 1\n\ndata:2\n\n\n".replace(b"\n", ending)
    assert frames_of(stream, size) == [Frame("a", b"1"), Frame("", b"2")]


@pytest.mark.parametrize("size", [None, 1])
def test_data_lines_are_joined_and_comments_skipped(size: int | None) -> None:
    stream = b": hello\n\ndata: a\n: between\ndata\ndata:  b\nid: 7\nretry: 1\n\n"
    assert frames_of(stream, size) == [Frame("", b"a\n\n b")]


@pytest.mark.parametrize("size", [None, 1])
def test_a_byte_order_mark_counts_only_at_the_start(size: int | None) -> None:
    mark = b"\xef\xbb\xbf"
    stream = mark + b"data: 1\n\n" + mark + b"data: 2\n\ndata: 3\n\n"
    assert frames_of(stream, size) == [Frame("", b"1"), Frame("", b"3")]


def test_an_event_without_data_is_none_and_its_name_is_forgotten() -> None:
    assert frames_of(b"event: ping\n\ndata: x\n\n") == [Frame("", b"x")]


def test_an_event_that_the_end_interrupts_is_discarded() -> None:
    assert frames_of(b"data: 1\n\ndata: 2\n") == [Frame("", b"1")]


def test_a_frame_comes_with_the_call_that_ends_it() -> None:
    framer = SseFramer()
    assert framer.feed(b"data: 1\n") == []
    assert framer.feed(b"\r") == [Frame("", b"1")]
    assert framer.feed(b"") == []
    assert framer.feed(b"\ndata: 2\n\n") == [Frame("", b"2")]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 90, b"data: 1234\n" * 12, b":" + b"c" * 99])
@pytest.mark.parametrize("size", [1, 50, 200])
def test_an_endless_event_is_refused_wherever_it_is_cut(stream: bytes, size: int) -> None:
    framer = SseFramer(limit=64)
    frames: list[Frame] = []
    whole = b"data: ok\n\n" + stream + b"\n\n"
    with pytest.raises(Misheard, match="frame_too_large"):  # noqa: PT012 - the call varies
        for start in range(0, len(whole), size):
            frames += framer.feed(whole[start : start + size])
        framer.end()
    assert frames == [Frame("", b"ok")]


def test_a_large_event_in_small_chunks_is_whole() -> None:
    body = b"x" * (4 * 1024 * 1024 - 64)
    stream = b"data: " + body + b"\n\n"
    assert frames_of(stream, 1024) == [Frame("", body)]


@pytest.mark.parametrize(
    ("content_type", "streaming", "framer"),
    [
        (b"text/event-stream", False, SseFramer),
        (b"Text/Event-Stream; charset=utf-8", False, SseFramer),
        (b"application/json", True, BodyFramer),
        (None, True, SseFramer),
        (b" ", True, SseFramer),
        (None, False, BodyFramer),
    ],
)
def test_the_media_type_chooses_the_framer(
    content_type: bytes | None, framer: type[object], *, streaming: bool
) -> None:
    assert isinstance(framer_for(content_type, streaming=streaming), framer)
