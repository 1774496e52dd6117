"""The Runtime API alone: each state's answers, without a process."""

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from local.front.invocation import Fault, Invocation
from local.front.runtime_api import RuntimeApi
from tests.e2e.front_client import Client, Got, ask

PREFIX = "/2018-06-01/runtime/"
STREAMING = [("Lambda-Runtime-Function-Response-Mode", "streaming"), ("Content-Type", "a/b")]


class Runtime:
    """Calls of a runtime, and the front's side of the same Runtime API."""

    def __init__(self, api: RuntimeApi, port: int) -> None:
        self.api, self.port = api, port

    async def call(
        self, method: str, path: str, *headers: tuple[str, str], body: bytes = b""
    ) -> Got:
        return await ask(self.port, PREFIX + path, method, headers, body)

    async def given(self, event: bytes = b"{}", trace: str = "") -> Invocation:
        """An event that the runtime has been handed."""
        invocation = Invocation(event, trace=trace)
        invocation.start(3)
        asking = asyncio.ensure_future(self.call("GET", "invocation/next"))
        await self.api.idle.wait()
        self.api.give(invocation)
        self.next = await asking
        return invocation

    async def respond(self, invocation: Invocation, *headers: tuple[str, str]) -> Got:
        path = f"invocation/{invocation.request_id}/response"
        return await self.call("POST", path, *headers, body=b"answer")

    async def fail(self, invocation: Invocation) -> Got:
        path = f"invocation/{invocation.request_id}/error"
        return await self.call("POST", path, body=b'{"errorType":"E"}')


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    api = RuntimeApi("arn:aws:lambda:us-east-1:123456789012:function:f")
    address = await api.start()
    yield Runtime(api, int(address.rpartition(":")[2]))
    await api.stop()


async def test_next_brings_the_event_and_what_is_known_of_it(runtime: Runtime) -> None:
    invocation = await runtime.given(b'{"a":1}', "Root=1")
    got = runtime.next
    assert got.body == b'{"a":1}'
    assert got.values("lambda-runtime-aws-request-id") == [invocation.request_id]
    assert got.values("lambda-runtime-deadline-ms") == [str(int(invocation.deadline * 1000))]
    assert got.values("lambda-runtime-trace-id") == ["Root=1"]
    assert got.values("lambda-runtime-invoked-function-arn")[0].endswith(":function:f")


async def test_a_response_is_accepted_once(runtime: Runtime) -> None:
    invocation = await runtime.given()
    first = await runtime.respond(invocation)
    assert (first.status, first.document) == (202, {"status": "OK"})
    assert await invocation.whole() == b"answer"
    again = await runtime.respond(invocation)
    assert (again.status, again.document["errorType"]) == (403, "InvalidStateTransition")
    assert (await runtime.fail(invocation)).status == 403
    assert await runtime.given() is not invocation


async def test_an_error_is_the_answer(runtime: Runtime) -> None:
    invocation = await runtime.given()
    assert (await runtime.fail(invocation)).status == 202
    with pytest.raises(Fault) as raised:
        await invocation.whole()
    assert raised.value.document == b'{"errorType":"E"}'


async def test_another_id_is_refused_and_spoils_nothing(runtime: Runtime) -> None:
    invocation = await runtime.given()
    got = await runtime.respond(Invocation(b"{}"))
    assert (got.status, got.document["errorType"]) == (400, "InvalidRequestID")
    assert (await runtime.respond(invocation)).status == 202


async def test_an_unknown_response_mode_spoils_the_invocation(runtime: Runtime) -> None:
    invocation = await runtime.given()
    got = await runtime.respond(invocation, ("Lambda-Runtime-Function-Response-Mode", "other"))
    assert (got.status, got.document["errorType"]) == (400, "InvalidFunctionResponseMode")
    assert (await runtime.respond(invocation)).status == 403
    assert (await runtime.call("GET", "invocation/next")).status == 403


async def test_a_response_that_breaks_off_is_a_fault_and_refuses_next(runtime: Runtime) -> None:
    invocation = await runtime.given()
    path = f"{PREFIX}invocation/{invocation.request_id}/response"
    async with Client(runtime.port) as client:
        await client.write(
            f"POST {path} HTTP/1.1\r\n{STREAMING[0][0]}: streaming\r\n"
            "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".encode()
        )
        assert await invocation.piece() == b"half"
        assert (await runtime.call("GET", "invocation/next")).status == 403
    with pytest.raises(Fault):
        await invocation.piece()
    assert (await runtime.call("GET", "invocation/next")).status == 403


async def test_error_trailers_are_a_fault_after_the_pieces(runtime: Runtime) -> None:
    invocation = await runtime.given()
    path = f"{PREFIX}invocation/{invocation.request_id}/response"
    document = base64.b64encode(b'{"errorType":"T"}').decode()
    async with Client(runtime.port) as client:
        await client.write(
            f"POST {path} HTTP/1.1\r\n{STREAMING[0][0]}: streaming\r\n"
            "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n"
            "Lambda-Runtime-Function-Error-Type: Runtime.T\r\n"
            f"Lambda-Runtime-Function-Error-Body: {document}\r\n\r\n".encode()
        )
        assert (await client.rest(await client.head())).status == 202
    assert await invocation.piece() == b"half"
    with pytest.raises(Fault) as raised:
        await invocation.piece()
    assert raised.value.error_type == "Runtime.T"
    assert raised.value.document == b'{"errorType":"T"}'


async def test_a_streamed_response_says_so_at_its_beginning(runtime: Runtime) -> None:
    invocation = await runtime.given()
    assert (await runtime.respond(invocation, *STREAMING)).status == 202
    begun = await invocation.begun()
    assert (begun.streamed, begun.content_type) == (True, "a/b")


async def test_a_start_fails_only_before_the_first_next(runtime: Runtime) -> None:
    await runtime.given()
    got = await runtime.call("POST", "init/error", body=b"{}")
    assert (got.status, got.document["errorType"]) == (403, "InvalidStateTransition")


async def test_a_failed_start_is_told(runtime: Runtime) -> None:
    kind = ("Lambda-Runtime-Function-Error-Type", "Runtime.ImportModuleError")
    assert (await runtime.call("POST", "init/error", kind, body=b"{}")).status == 202
    assert runtime.api.failed.is_set()
    assert runtime.api.init_fault is not None
    assert runtime.api.init_fault.error_type == "Runtime.ImportModuleError"
    assert (await runtime.call("GET", "invocation/next")).status == 403


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "invocation/next", 405, ["GET"]),
        ("GET", "invocation/x/response", 405, ["POST"]),
        ("GET", "init/error", 405, ["POST"]),
        ("GET", "restore/next", 404, []),
        ("GET", "invocation/x/y", 404, []),
    ],
)
async def test_what_is_not_a_call_is_refused(
    runtime: Runtime, method: str, path: str, status: int, allow: list[str]
) -> None:
    got = await runtime.call(method, path)
    assert (got.status, got.values("allow")) == (status, allow)
