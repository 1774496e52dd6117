"""The runtime client against the Runtime API: each call, each state, each way to break."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streaming_runtime.__main__ import run, serve
from streaming_runtime.asgi import App, Message, Receive, Send
from streaming_runtime.context import Context
from streaming_runtime.http_event import Scope
from streaming_runtime.runtime_api import RuntimeApi, RuntimeApiFault
from tests.contract.fake_runtime_api import Asked, FakeRuntimeApi

LAYER = Path(__file__).parents[2] / "layers" / "runtime"
NULS = b"\0" * 8


@pytest.fixture
def fake() -> Iterator[FakeRuntimeApi]:
    with FakeRuntimeApi() as started:
        yield started


def event(method: str = "GET", path: str = "/", **more: object) -> dict[str, object]:
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    context = {"http": http, "domainName": "x.lambda-url.aws"}
    return {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": context, **more}


async def served(
    fake: FakeRuntimeApi, app: App, environment: dict[str, str] | None = None
) -> list[Asked]:
    """Serve the events of the fake with an app, and return the responses."""
    api = RuntimeApi(fake.address)
    with pytest.raises(RuntimeApiFault):
        await serve(api, app, {}, {} if environment is None else environment)
    api.close()
    await asyncio.to_thread(fake.finish)
    return fake.calls("response")


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(piece: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def app_sending(*messages: Message) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def app_failing(after: Sequence[Message], error: Exception) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in after:
            await send(message)
        raise error

    return app


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-type", b"application/octet-stream")))
    await send(body((await receive())["body"]))


def head_of(response: Asked) -> Any:  # noqa: ANN401 - JSON
    return json.loads(response.body.partition(NULS)[0])


def body_of(response: Asked) -> bytes:
    return response.body.partition(NULS)[2]


# --- responses -----------------------------------------------------------------------------


async def test_a_response_is_announced_as_a_stream_on_a_connection_of_its_own(
    fake: FakeRuntimeApi,
) -> None:
    fake.give(event())
    fake.give(event())
    first, second = await served(fake, app_sending(start(), body(b"x")))
    assert first.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert first.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert first.headers["transfer-encoding"] == "chunked"
    assert first.headers["connection"] == "close"
    assert first.headers["host"] == fake.address
    trailers = "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
    assert first.headers["trailer"] == trailers
    nexts = fake.calls("next")
    assert len({each.connection for each in nexts}) == 1
    assert len({nexts[0].connection, first.connection, second.connection}) == 3
    assert [first.request_id, second.request_id] == ["request-1", "request-2"]


async def test_the_head_is_sent_before_the_body_exists_and_each_piece_is_one_chunk(
    fake: FakeRuntimeApi,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(201, (b"content-type", b"text/event-stream")))
        assert len(await asyncio.to_thread(fake.wait_for_chunks, 1)) == 1
        for number in range(20):
            await send(body(b"data: %d\n\n" % number, more=True))
            await asyncio.to_thread(fake.wait_for_chunks, number + 2)
        await send(body())

    fake.give(event())
    (response,) = await served(fake, app)
    head, *pieces = response.chunks
    assert head.endswith(NULS)
    assert head_of(response) == {
        "statusCode": 201,
        "headers": {"content-type": "text/event-stream"},
    }
    assert pieces == [b"data: %d\n\n" % number for number in range(20)]
    assert response.trailers == {}


async def test_repeated_headers_are_joined_and_cookies_listed(fake: FakeRuntimeApi) -> None:
    fake.give(event())
    headers = ((b"vary", b"a"), (b"set-cookie", b"a=1"), (b"vary", b"b"), (b"set-cookie", b"b=2"))
    (response,) = await served(fake, app_sending(start(200, *headers), body(b"x")))
    assert head_of(response)["headers"] == {"vary": "a, b"}
    assert head_of(response)["cookies"] == ["a=1", "b=2"]


async def test_bytes_go_in_and_out_unchanged(fake: FakeRuntimeApi) -> None:
    data = bytes(range(256)) + NULS + b"after"
    text = base64.b64encode(data).decode()
    fake.give(event("POST", body=text, isBase64Encoded=True))
    fake.give(event("POST", body="\u00e4\0"))
    first, second = await served(fake, echo)
    assert body_of(first) == data
    assert body_of(second) == "\u00e4\0".encode()


@pytest.mark.parametrize(
    ("method", "messages"),
    [
        ("GET", (start(204), body())),
        ("GET", (start(304, (b"content-length", b"0")), body(b"", more=True), body())),
        ("HEAD", (start(200, (b"content-length", b"4")), body(b"text"))),
    ],
)
async def test_a_response_without_a_body_is_one_line_feed(
    method: str, messages: tuple[Message, ...], fake: FakeRuntimeApi
) -> None:
    fake.give(event(method))
    (response,) = await served(fake, app_sending(*messages))
    assert body_of(response) == b"\n"
    assert head_of(response)["headers"] == {}


async def test_an_error_after_the_head_goes_into_the_trailers(fake: FakeRuntimeApi) -> None:
    fake.give(event())
    fake.give(event())
    first, second = await served(
        fake, app_failing([start(), body(b"half", more=True)], TimeoutError("too slow"))
    )
    assert body_of(first) == b"half"
    assert first.trailers["lambda-runtime-function-error-type"] == "Runtime.TimeoutError"
    report = json.loads(base64.b64decode(first.trailers["lambda-runtime-function-error-body"]))
    assert report["errorMessage"] == "too slow"
    assert report["errorType"] == "Runtime.TimeoutError"
    assert any("app" in line for line in report["stackTrace"])
    assert second.ended, "the process goes on"
    assert not fake.calls("error")


async def test_an_error_right_after_the_head_is_a_line_feed_and_the_trailers(
    fake: FakeRuntimeApi,
) -> None:
    fake.give(event())
    (response,) = await served(fake, app_failing([start()], TimeoutError()))
    assert body_of(response) == b"\n"
    assert response.trailers


async def test_an_error_after_the_end_changes_nothing(
    fake: FakeRuntimeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.give(event())
    (response,) = await served(fake, app_failing([start(), body(b"all")], OSError("later")))
    assert (body_of(response), response.trailers, response.beyond) == (b"all", {}, b"")
    assert json.loads(capsys.readouterr().out)["error_type"] == "Runtime.OSError"


async def test_an_app_that_stops_short_leaves_a_cut(fake: FakeRuntimeApi) -> None:
    fake.give(event())
    (response,) = await served(fake, app_sending(start(), body(b"half", more=True)))
    kind = response.trailers["lambda-runtime-function-error-type"]
    assert kind == "Runtime.ResponseIncomplete"


async def test_an_error_before_the_head_is_reported_as_one(fake: FakeRuntimeApi) -> None:
    request_id = fake.give(event())
    assert not await served(fake, app_failing([], LookupError("nothing")))
    (error,) = fake.calls("error")
    assert error.request_id == request_id
    assert error.headers["lambda-runtime-function-error-type"] == "Runtime.LookupError"
    assert error.json()["errorMessage"] == "nothing"
    assert error.json()["errorType"] == "Runtime.LookupError"
    assert error.json()["stackTrace"]
    assert {each.connection for each in fake.asked} == {error.connection}


@pytest.mark.parametrize("broken", ["{}", "[]", "null", '{"rawPath": "/"', '{"Records": []}'])
async def test_what_is_no_http_request_is_an_error_of_that_event_alone(
    broken: str, fake: FakeRuntimeApi
) -> None:
    fake.give(broken)
    fake.give(event())
    assert await served(fake, echo)
    assert fake.names() == ["next", "error", "next", "response", "next"]


# --- order ---------------------------------------------------------------------------------


async def test_the_next_event_is_asked_for_after_the_answer_was_accepted(
    fake: FakeRuntimeApi,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x"))
        asyncio.get_running_loop().call_later(0.05, release)

    def release() -> None:
        seen.append(list(fake.names()))
        fake.may_accept.set()

    seen: list[list[str]] = []
    fake.may_accept.clear()
    fake.give(event())
    await served(fake, app)
    assert seen == [["next", "response"]]
    assert fake.names() == ["next", "response", "next"]


async def test_work_after_the_last_piece_and_tasks_left_behind_end_before_the_next_event(
    fake: FakeRuntimeApi,
) -> None:
    done: list[str] = []

    async def late(receive: Receive) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        await asyncio.sleep(0)
        done.append(f"task, {len(fake.calls('next'))} asked")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.create_task(late(receive)))
        await send(start())
        await send(body(b"x"))
        await asyncio.to_thread(fake.wait_for_chunks, 2)
        done.append(f"app, {len(fake.calls('next'))} asked")

    tasks: list[asyncio.Task[None]] = []
    fake.give(event())
    await served(fake, app)
    assert done == ["app, 1 asked", "task, 1 asked"]


async def test_the_last_resort_cancels_an_app_and_cuts_its_response(
    fake: FakeRuntimeApi,
) -> None:
    cleaned: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/head":
            await send(start())
            await send(body(b"half", more=True))
        try:
            await receive()
            await receive()
        finally:
            cleaned.append(True)

    fake.give(event(path="/head"), left_ms=300)
    fake.give(event(path="/"), left_ms=300)
    (response,) = await served(fake, app)
    assert response.trailers["lambda-runtime-function-error-type"] == "Runtime.DeadlineReached"
    (error,) = fake.calls("error")
    assert error.json()["errorType"] == "Runtime.DeadlineReached"
    assert cleaned == [True, True]


# --- the event and its headers ---------------------------------------------------------------


async def context_of(fake: FakeRuntimeApi, environment: dict[str, str]) -> list[Context]:
    found: list[Context] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(scope["aws.context"])
        assert scope["aws.event"]["version"] == "2.0"
        traces.append(environment.get("_X_AMZN_TRACE_ID"))
        await echo(scope, receive, send)

    traces: list[str | None] = []
    await served(fake, app, environment)
    environment["seen"] = repr(traces)
    return found


async def test_the_trace_id_is_set_for_its_event_and_deleted_where_there_is_none(
    fake: FakeRuntimeApi,
) -> None:
    fake.give(event(), {"lambda-runtime-TRACE-id": "Root=1-a;Sampled=1"})
    fake.give(event())
    environment: dict[str, str] = {}
    await context_of(fake, environment)
    assert environment == {"seen": "['Root=1-a;Sampled=1', None]"}


async def test_the_invocation_id_is_echoed_where_it_was_given(fake: FakeRuntimeApi) -> None:
    fake.give(event(), {"Lambda-Runtime-Invocation-Id": "invocation-1"})
    fake.give("{}", {"LAMBDA-RUNTIME-INVOCATION-ID": "invocation-2"})
    fake.give(event())
    await served(fake, echo)
    first, second = fake.calls("response")
    (error,) = fake.calls("error")
    assert first.headers["lambda-runtime-invocation-id"] == "invocation-1"
    assert error.headers["lambda-runtime-invocation-id"] == "invocation-2"
    assert "lambda-runtime-invocation-id" not in second.headers


async def test_the_rare_headers_reach_the_context(fake: FakeRuntimeApi) -> None:
    rare = {
        "Lambda-Runtime-Client-Context": '{"custom": {"a": 1}}',
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "i"}',
        "Lambda-Runtime-Aws-Tenant-Id": "tenant",
    }
    fake.give(event(), rare)
    fake.give(event())
    full, bare = await context_of(fake, {"AWS_LAMBDA_FUNCTION_NAME": "gateway"})
    assert full.client_context is not None
    assert full.client_context.custom == {"a": 1}
    assert (full.identity.cognito_identity_id, full.tenant_id) == ("i", "tenant")
    assert (bare.client_context, bare.identity.cognito_identity_id, bare.tenant_id) == (None,) * 3
    assert (bare.aws_request_id, bare.function_name) == ("request-2", "gateway")
    assert 0 < bare.get_remaining_time_in_millis() <= 60_000


async def test_a_chunked_event_is_read_whole(fake: FakeRuntimeApi) -> None:
    fake.give(event("POST", body="x" * 700_000), chunked=True)
    (response,) = await served(fake, echo)
    assert body_of(response) == b"x" * 700_000


async def test_an_event_of_six_megabytes_is_read_whole(fake: FakeRuntimeApi) -> None:
    fake.give(event("POST", body="x" * 6_000_000))
    (response,) = await served(fake, echo)
    assert len(body_of(response)) == 6_000_000


# --- breaks and refusals -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["close", "cut"])
async def test_a_broken_connection_is_asked_again_for_the_same_event(
    fault: str, fake: FakeRuntimeApi
) -> None:
    fake.give(event())
    fake.fail("next", fault)
    (response,) = await served(fake, echo)
    assert response.request_id == "request-1"
    assert fake.names() == ["next", "next", "response", "next"]


async def test_an_error_report_survives_a_broken_connection(fake: FakeRuntimeApi) -> None:
    fake.give("{}")
    fake.fail("error", "close")
    await served(fake, echo)
    assert fake.names() == ["next", "error", "error", "next"]


async def test_a_runtime_api_that_is_gone_ends_the_client(fake: FakeRuntimeApi) -> None:
    fake.fail("next", "close", "close")
    fake.give(event())
    await served(fake, echo)
    assert fake.names() == ["next", "next"]


@pytest.mark.parametrize("status", [403, 500])
async def test_a_refused_next_ends_the_client(status: int, fake: FakeRuntimeApi) -> None:
    fake.give(event())
    fake.fail("next", status)
    await served(fake, echo)
    assert fake.names() == ["next"]


@pytest.mark.parametrize("status", [400, 403, 413])
async def test_a_refused_response_is_logged_and_the_next_event_asked_for(
    status: int, fake: FakeRuntimeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.give(event())
    fake.give(event())
    fake.fail("response", status)
    await served(fake, echo)
    assert fake.names() == ["next", "response", "next", "response", "next"]
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["function_request_id"]) == ("ERROR", "request-1")
    assert line["message"] == f"status {status} to a response"


async def test_a_refused_error_report_is_logged_and_the_next_event_asked_for(
    fake: FakeRuntimeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.give("{}")
    fake.fail("error", 403)
    await served(fake, echo)
    assert fake.names() == ["next", "error", "next"]
    assert "status 403 to an error report" in capsys.readouterr().out


async def test_an_app_learns_that_its_response_broke_and_the_client_asks_for_nothing_more(
    fake: FakeRuntimeApi,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        try:
            for _ in range(10_000):
                await send(body(b"x" * 10_000, more=True))
        except OSError as error:
            seen.append(error)

    seen: list[OSError] = []
    fake.give(event())
    fake.fail("response", "break")
    await served(fake, app)
    assert len(seen) == 1
    assert fake.names() == ["next", "response"]


async def test_an_event_without_its_id_ends_the_client(fake: FakeRuntimeApi) -> None:
    fake.give(event(), {"Lambda-Runtime-Deadline-Ms": "soon"})
    await served(fake, echo)
    assert fake.names() == ["next"]


# --- the start, and the process ------------------------------------------------------------------


STARTING = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["opened"] = "once"
        await send({'type': 'lifespan.startup.complete'})
        await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["state"]["opened"].encode()})
"""

WITHOUT_LIFESPAN = """
import os, signal

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    print("a line of the app")
    if scope["path"] == "/exit":
        raise SystemExit(3)
    if scope["path"] == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    await send({"type": "http.response.body", "body": b"once"})
"""


def process(
    fake: FakeRuntimeApi, folder: Path, code: str, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Run the client as Lambda does, until it ends itself."""
    (folder / "app.py").write_text(code, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(LAYER),
        "AWS_LAMBDA_RUNTIME_API": fake.address,
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": "app.handler",
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-m", "streaming_runtime"],
        env=environment,
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    fake.finish()
    return done


@pytest.mark.parametrize("code", [STARTING, WITHOUT_LIFESPAN])
def test_an_app_starts_once_and_the_process_ends_with_1_when_next_is_refused(
    code: str, fake: FakeRuntimeApi, tmp_path: Path
) -> None:
    fake.give(event())
    fake.give(event())
    done = process(fake, tmp_path, code)
    assert done.returncode == 1
    assert [body_of(each) for each in fake.calls("response")] == [b"once", b"once"]
    assert "status 403 instead of an event" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        ("import nowhere", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("def", "Runtime.ImportModuleError", "invalid syntax (app.py, line 1)"),
        ("other = 1", "Runtime.ImportModuleError", "expected an ASGI app at app:app"),
        ("raise ValueError('no table')", "Runtime.ValueError", "no table"),
        (
            "async def app(scope, receive, send):\n await receive()\n raise OSError('no disk')",
            "Runtime.OSError",
            "no disk",
        ),
        (
            STARTING.replace("complete'}", "failed', 'message': 'no store'}"),
            "Runtime.StartupFailed",
            "no store",
        ),
    ],
)
def test_a_start_that_fails_is_reported_and_ends_the_process(
    code: str, error_type: str, message: str, fake: FakeRuntimeApi, tmp_path: Path
) -> None:
    fake.give(event())
    done = process(fake, tmp_path, code)
    assert done.returncode == 1
    assert fake.names() == ["init/error"]
    (asked,) = fake.asked
    assert asked.headers["lambda-runtime-function-error-type"] == error_type
    assert asked.json()["errorType"] == error_type
    assert asked.json()["errorMessage"] == message
    assert error_type in done.stdout


def test_an_app_that_leaves_takes_the_process_with_it(fake: FakeRuntimeApi, tmp_path: Path) -> None:
    fake.give(event(path="/exit"))
    done = process(fake, tmp_path, WITHOUT_LIFESPAN)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "a line of the app"
    assert fake.names() == ["next", "response"]


def test_a_line_is_out_before_a_kill(fake: FakeRuntimeApi, tmp_path: Path) -> None:
    fake.give(event(path="/kill"))
    done = process(fake, tmp_path, WITHOUT_LIFESPAN)
    assert (done.returncode, done.stdout) == (-9, "a line of the app\n")


async def test_each_event_gets_a_copy_of_the_state(fake: FakeRuntimeApi) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["state"].setdefault("path", scope["path"]) == scope["path"]
        await echo(scope, receive, send)

    fake.give(event(path="/a"))
    fake.give(event(path="/b"))
    assert len(await served(fake, app)) == 2


def test_the_variable_names_the_app(fake: FakeRuntimeApi, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(WITHOUT_LIFESPAN, encoding="utf-8")
    fake.give(event())
    process(fake, tmp_path, "", STREAM_APP="other:app")
    assert [body_of(each) for each in fake.calls("response")] == [b"once"]


async def test_a_snapshot_waits_for_its_restore_before_the_first_event(
    fake: FakeRuntimeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "restored.py").write_text(WITHOUT_LIFESPAN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    fake.fail("restore/next", 200)
    api = RuntimeApi(fake.address)
    environment = {
        "_HANDLER": "restored.handler",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
    }
    with pytest.raises(RuntimeApiFault):
        await run(api, environment)
    api.close()
    assert fake.names() == ["restore/next", "next"]


def test_two_hundred_events_leave_no_growth(fake: FakeRuntimeApi, tmp_path: Path) -> None:
    code = """
import resource

async def app(scope, receive, send):
    await receive()
    resident = open("/proc/self/statm").read().split()[1]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(20):
        await send({"type": "http.response.body", "body": b" " * 1000, "more_body": True})
    await send({"type": "http.response.body", "body": resident.encode()})
"""
    for _ in range(250):
        fake.give(event("POST", body="x" * 10_000))
    process(fake, tmp_path, code)
    pages = [int(body_of(each)) for each in fake.calls("response")]
    assert len(pages) == 250
    assert (pages[-1] - pages[49]) * os.sysconf("SC_PAGE_SIZE") < 512 * 1024
