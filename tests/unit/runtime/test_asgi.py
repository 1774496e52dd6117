import asyncio

import pytest

from streaming_runtime.asgi import (
    DeadlineReached,
    Lifespan,
    Message,
    MessageUnexpected,
    Receive,
    ResponseIncomplete,
    Send,
    StartupFailed,
    call,
    seconds_allowed,
)
from streaming_runtime.http_event import Scope
from streaming_runtime.prelude import Headers

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PIECE: Message = {"type": "http.response.body", "body": b"x", "more_body": True}
END: Message = {"type": "http.response.body"}
GET: Scope = {"type": "http", "method": "GET"}
HEAD: Scope = {"type": "http", "method": "HEAD"}
LONG = 30.0


class Recorded:
    def __init__(self) -> None:
        self.events: list[object] = []

    async def start(self, status: int, headers: Headers) -> None:
        self.events.append((status, list(headers)))

    async def write(self, piece: bytes) -> None:
        self.events.append(piece)

    async def end(self) -> None:
        self.events.append("end")


async def called(scope: Scope, *messages: Message) -> list[object]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    response = Recorded()
    await call(app, scope, b"", response, LONG)
    return response.events


async def test_messages_become_a_response_piece_by_piece() -> None:
    assert await called(GET, START, PIECE, PIECE, END) == [(200, []), b"x", b"x", "end"]


async def test_an_answer_to_head_has_no_body() -> None:
    assert await called(HEAD, START, PIECE, END) == [(200, []), "end"]


@pytest.mark.parametrize(
    "messages",
    [
        (PIECE,),
        (START, START),
        (START, END, PIECE),
        (START, END, END),
        ({"type": "http.response.push"},),
    ],
)
async def test_a_message_out_of_place_is_an_error(messages: tuple[Message, ...]) -> None:
    with pytest.raises(MessageUnexpected):
        await called(GET, *messages)


@pytest.mark.parametrize("messages", [(), (START,), (START, PIECE)])
async def test_a_response_without_an_end_is_incomplete(messages: tuple[Message, ...]) -> None:
    with pytest.raises(ResponseIncomplete):
        await called(GET, *messages)


async def test_an_app_that_cancels_itself_is_incomplete() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    with pytest.raises(ResponseIncomplete):
        await call(app, GET, b"", Recorded(), LONG)


async def test_the_deadline_cancels_the_app_and_waits_for_what_it_does_then() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await receive()
        finally:
            await asyncio.sleep(0)
            done.append("closed")

    done: list[str] = []
    with pytest.raises(DeadlineReached):
        await call(app, GET, b"", Recorded(), 0.01)
    assert done == ["closed"]


async def test_an_app_may_still_end_its_response_when_it_is_cancelled() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await receive()
        except asyncio.CancelledError:
            await send(START)
            await send(END)

    response = Recorded()
    await call(app, GET, b"", response, 0.01)
    assert response.events == [(200, []), "end"]


async def test_what_the_app_raises_when_it_is_cancelled_is_what_counts() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await receive()
        except asyncio.CancelledError as cancelled:
            raise LookupError from cancelled

    with pytest.raises(LookupError):
        await call(app, GET, b"", Recorded(), 0.01)


async def test_a_task_left_behind_is_cancelled_at_the_deadline() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.create_task(asyncio.Event().wait()))
        await send(START)
        await send(END)

    tasks: list[asyncio.Task[bool]] = []
    await call(app, GET, b"", Recorded(), 0.05)
    assert tasks[0].cancelled()


async def test_a_task_from_before_the_call_is_left_alone() -> None:
    old = asyncio.create_task(asyncio.Event().wait())
    assert await called(GET, START, END) == [(200, []), "end"]
    assert not old.done()
    old.cancel()


@pytest.mark.parametrize(
    ("left_ms", "seconds"), [(900_000, 898.5), (45_000, 43.5), (3_000, 2.9), (0, 0)]
)
def test_the_last_resort_is_a_second_and_a_half_and_less_below_45_seconds(
    left_ms: int, seconds: float
) -> None:
    assert seconds_allowed(left_ms) == pytest.approx(seconds)


@pytest.mark.parametrize("limit", [3, 6, 14, 45, 100, 900])
def test_the_app_has_time_to_end_before_the_last_resort(limit: int) -> None:
    """An app's own timer ends it 10 s before the limit, or at nine tenths of a short one."""
    own = limit - min(10, limit / 10)
    assert seconds_allowed(limit * 1000) - own >= min(limit / 15, 3.0) - 1e-9


async def test_a_lifespan_starts_once_and_keeps_its_state() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["opened"] = True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise AssertionError("Lambda announces no shutdown")

    lifespan = Lifespan(app)
    await lifespan.start()
    assert lifespan.state == {"opened": True}


async def test_an_app_without_a_lifespan_is_started_all_the_same() -> None:
    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError(scope["type"])

    async def returns(scope: Scope, receive: Receive, send: Send) -> None:
        return

    await Lifespan(refuses).start()
    await Lifespan(returns).start()


async def test_a_start_that_fails_is_raised() -> None:
    async def says(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no store"})

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise LookupError("no disk")

    with pytest.raises(StartupFailed, match="no store"):
        await Lifespan(says).start()
    with pytest.raises(LookupError, match="no disk"):
        await Lifespan(breaks).start()
