"""A push against a server that answers as told: what is repeated, halved, left out, given up."""

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec

import pytest

from aigateway.errors import UpstreamUnreachable
from aigateway.reload.publishing.memory import Known, State
from aigateway.reload.publishing.plan import Beginning, Plan
from aigateway.reload.publishing.push import (
    PUSH_SECONDS,
    REQUESTS_A_PUSH,
    SERIES_A_REQUEST,
    PushFailed,
    RemoteWrite,
)
from aigateway.telemetry import remote_write
from aigateway.telemetry.remote_write import Sample
from tests.clocks import HeldClock
from tests.remote_writes import members, sample_of, unpacked

EXTERNAL = (("instance", "i"), ("job", "j"))
Judge = Callable[[list[str]], int]


class Server:
    """Answers with what ``judge`` says about the names in a request, and keeps what it takes."""

    def __init__(self, judge: Judge = lambda _: 204) -> None:
        self.judge = judge
        self.requests: list[list[str]] = []
        self.taken: list[str] = []
        self.bodies: list[bytes] = []

    async def write(self, body: bytes) -> int:
        samples = [sample_of(series) for _, series in members(decompressed(body))]
        names = [dict(sample.labels)["__name__"] for sample in samples]
        self.requests.append(names)
        self.bodies.append(body)
        status = self.judge(names)
        if status == 0:
            raise UpstreamUnreachable("not there")
        if status < 300:
            self.taken += names
        return status


def decompressed(body: bytes) -> bytes:
    if find_spec("cramjam") is None:
        return unpacked(body)
    return bytes(import_module("cramjam").snappy.decompress_raw(body))


def samples(*names: str) -> tuple[Sample, ...]:
    return tuple(Sample((("__name__", name),), 1.0, 5) for name in names)


def a_plan(values: Iterable[str] = (), *beginnings: Beginning) -> Plan:
    return Plan(State("t"), beginnings, samples(*values), Known(), State("t", 5))


def a_remote(server: Server, clock: HeldClock | None = None) -> RemoteWrite:
    held = clock or HeldClock()

    async def pause(seconds: float) -> None:
        held.advance(seconds)

    return RemoteWrite(server, EXTERNAL, held, pause)


def scripted(*statuses: int) -> Judge:
    waiting = list(statuses)
    return lambda _: waiting.pop(0) if waiting else 204


async def test_zeros_go_in_requests_of_their_own_before_any_value() -> None:
    server = Server()
    plan = a_plan(
        "vw", Beginning(samples("a"), may_be_in=True), Beginning(samples("b", "c"), may_be_in=False)
    )
    pushed = await a_remote(server).push(plan)
    assert server.requests == [["a"], ["b", "c"], ["v", "w"]]
    assert (pushed.rejected, pushed.unsent) == (0, ())


async def test_every_series_says_whose_it_is() -> None:
    server = Server()
    await a_remote(server).push(a_plan("v"))
    ((_, series),) = members(decompressed(server.bodies[0]))
    assert sample_of(series).labels == (("__name__", "v"), ("instance", "i"), ("job", "j"))


async def test_a_request_holds_so_many_series_and_no_more() -> None:
    server = Server()
    names = [f"n{number}" for number in range(SERIES_A_REQUEST + 1)]
    await a_remote(server).push(a_plan(names))
    assert [len(request) for request in server.requests] == [SERIES_A_REQUEST, 1]


@pytest.mark.parametrize("status", [500, 503, 429, 0])
async def test_what_may_pass_is_repeated_unchanged(status: int) -> None:
    server, clock = Server(scripted(status, status)), HeldClock()
    began = clock.monotonic()
    await a_remote(server, clock).push(a_plan("v"))
    assert server.bodies == [server.bodies[0]] * 3
    assert clock.monotonic() - began == 2.0


@pytest.mark.parametrize("status", [500, 429, 0])
async def test_three_tries_are_all(status: int) -> None:
    server = Server(lambda _: status)
    with pytest.raises(PushFailed) as failed:
        await a_remote(server).push(a_plan("v"))
    assert failed.value.stage == "remote_write"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 401, 403, 404, 413])
async def test_what_will_not_pass_is_not_repeated(status: int) -> None:
    server = Server(lambda _: status)
    with pytest.raises(PushFailed, match=str(status)):
        await a_remote(server).push(a_plan("v"))
    assert len(server.requests) == 1


async def test_a_push_has_its_time() -> None:
    clock = HeldClock()

    def slow(_: list[str]) -> int:
        clock.advance(PUSH_SECONDS)
        return 500

    server = Server(slow)
    with pytest.raises(PushFailed):
        await a_remote(server, clock).push(a_plan("v"))
    assert len(server.requests) == 1


async def test_the_bad_one_is_found_by_halving_and_all_others_go_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(lambda names: 400 if "bad" in names else 204)
    names = [f"n{number}" for number in range(9)]
    pushed = await a_remote(server).push(a_plan([*names[:4], "bad", *names[4:]]))
    assert sorted(server.taken) == names
    assert (pushed.rejected, pushed.unsent) == (1, ())
    assert len(server.requests) <= 9
    assert "bad" in caplog.text


async def test_a_refused_beginning_that_may_be_in_is_in() -> None:
    server = Server(lambda names: 400 if "a" in names else 204)
    pushed = await a_remote(server).push(a_plan("v", Beginning(samples("a", "b"), may_be_in=True)))
    assert server.requests == [["a", "b"], ["v"]]
    assert pushed.rejected == 0


async def test_a_refused_beginning_that_is_new_is_halved() -> None:
    server = Server(lambda names: 400 if "a" in names else 204)
    pushed = await a_remote(server).push(a_plan("v", Beginning(samples("a", "b"), may_be_in=False)))
    assert server.requests == [["a", "b"], ["a"], ["b"], ["v"]]
    assert pushed.rejected == 1


async def test_requests_are_bounded_and_the_rest_waits() -> None:
    server = Server(lambda names: 400)
    names = [f"n{number}" for number in range(100)]
    pushed = await a_remote(server).push(a_plan(names))
    assert len(server.requests) == REQUESTS_A_PUSH
    waiting = {dict(sample.labels)["__name__"] for sample in pushed.unsent}
    assert len(waiting) + pushed.rejected == 100
    assert waiting
    assert waiting.isdisjoint(server.taken)


async def test_no_value_goes_before_all_zeros_went() -> None:
    server = Server(lambda names: 400)
    names = [f"n{number}" for number in range(100)]
    with pytest.raises(PushFailed):
        await a_remote(server).push(a_plan("v", Beginning(samples(*names), may_be_in=False)))
    assert ["v"] not in server.requests


def test_the_headers_are_those_of_the_specification() -> None:
    assert dict(remote_write.HEADERS) == {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
