"""Server-sent events, as WHATWG HTML 9.2.6 cuts and reads them."""

from typing import final

from aigateway.errors import Misheard
from aigateway.wire.frames import FRAME_LIMIT_BYTES, BodyFramer, Frame, Framer

_BOM = b"\xef\xbb\xbf"
_ENDINGS = (b"\n", b"\r")
_EVENT_STREAM = b"text/event-stream"


@final
class SseFramer:
    """Cuts an event stream into frames, whatever the chunk boundaries.

    A frame is returned by the call that feeds its closing blank line. An event that the end of
    the stream interrupts is discarded (WHATWG HTML 9.2.6). Ids and retry times are skipped.

    Raises ``Misheard("frame_too_large")`` once an unfinished event, or a single line, holds more
    than ``limit`` bytes: at once, or by the next call where frames came before it.
    """

    def __init__(self, limit: int = FRAME_LIMIT_BYTES) -> None:
        self._limit = limit
        self._line: list[bytes] = []
        self._line_size = 0
        self._event = ""
        self._data: list[bytes] = []
        self._data_size = 0
        self._after_cr = False
        self._at_start = True
        self._overfull = False

    def feed(self, chunk: bytes) -> list[Frame]:
        self._raise_if_overfull()
        if not chunk:
            return []
        if self._after_cr:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        frames: list[Frame] = []
        for piece in chunk.splitlines(keepends=True):
            self._line_size += len(piece)
            if self._line_size + self._data_size > self._limit:
                self._give_up()
                break
            if not piece.endswith(_ENDINGS):
                self._line.append(piece)
                break
            if self._line:
                self._line.append(piece)
                piece = b"".join(self._line)  # noqa: PLW2901 - the line is whole only now
                self._line.clear()
            self._line_size = 0
            frame = self._read_line(piece.rstrip(b"\r\n"))
            if frame is not None:
                frames.append(frame)
        else:
            self._after_cr = chunk.endswith(b"\r")
        if not frames:
            self._raise_if_overfull()
        return frames

    def end(self) -> list[Frame]:
        self._raise_if_overfull()
        return []

    def _read_line(self, line: bytes) -> Frame | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatched()
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._data_size += len(value) + 1
        elif name == b"event":
            self._event = value.removeprefix(b" ").decode("utf-8", "replace")
        return None

    def _dispatched(self) -> Frame | None:
        frame = Frame(self._event, b"\n".join(self._data)) if self._data else None
        self._event = ""
        self._data.clear()
        self._data_size = 0
        return frame

    def _give_up(self) -> None:
        self._overfull = True
        self._line.clear()
        self._data.clear()

    def _raise_if_overfull(self) -> None:
        if self._overfull:
            raise Misheard("frame_too_large")


@final
class RawEvents:
    """Cuts an event stream into its events as they were sent, blank line included.

    All bytes come out again, in their order. A carriage return at the end of a chunk waits for
    the next one: a line feed may belong to it. ``rest`` is what no blank line has ended yet.
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._is_at_line_start = True
        self._held = b""
        self.size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the events that ``chunk`` completed. ``size`` counts what is kept."""
        self.size += len(chunk)
        chunk, self._held = self._held + chunk, b""
        if chunk.endswith(b"\r"):
            chunk, self._held = chunk[:-1], b"\r"
        events: list[bytes] = []
        for line in chunk.splitlines(keepends=True):
            self._lines.append(line)
            if self._is_at_line_start and not line.rstrip(b"\r\n"):
                events.append(b"".join(self._lines))
                self.size -= len(events[-1])
                self._lines.clear()
            self._is_at_line_start = line.endswith(_ENDINGS)
        return events

    def rest(self) -> bytes:
        """Take what is left of the stream."""
        rest = b"".join(self._lines) + self._held
        self._lines.clear()
        self._held = b""
        self.size = 0
        return rest


def is_event_stream(content_type: bytes | None, *, streaming: bool) -> bool:
    """Tell by the response's media type; where it names none, by what the request asked for."""
    media_type = (content_type or b"").partition(b";")[0].strip().lower()
    return media_type == _EVENT_STREAM or (not media_type and streaming)


def framer_for(content_type: bytes | None, *, streaming: bool) -> Framer:
    """Choose by what the response is (``is_event_stream``)."""
    return SseFramer() if is_event_stream(content_type, streaming=streaming) else BodyFramer()
