"""A second opinion: the runtime client under AWS's own Runtime Interface Emulator.

Its states are the service's. It gathers a response, so nothing can be learnt of timing, and it
drops error trailers. The binary comes with the SAM CLI.
"""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "runtime"
PROCESSOR = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "none")
INVOKE = "/2015-03-31/functions/function/invocations"
NULS = b"\0" * 8
LIMIT_SECONDS = 3

APP = """
import os, time

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = (await receive())["body"]
    path = scope["path"]
    if path == "/error":
        raise LookupError("nothing here")
    if path == "/blocked":
        time.sleep(60)
    if path == "/exit":
        os._exit(7)
    await send({"type": "http.response.start", "status": 201,
                "headers": [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1")]})
    if path == "/cut":
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise LookupError("half")
    if path == "/waits":
        await receive()
    if path == "/large":
        body = b"x" * 6_300_000
    if path == "/resident":
        body = open("/proc/self/statm").read().split()[1].encode()
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body"})
"""

Invoke = Callable[[bytes], tuple[int, bytes]]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the emulator; without it skip, or fail where CI promised the tool."""
    name = f"samcli/local/rapid/aws-lambda-rie-{PROCESSOR}"
    found = next(iter(ROOT.glob(f".venv-sam/lib/python*/site-packages/{name}")), None)
    if found is None:
        reason = "no Runtime Interface Emulator here, it comes with the SAM CLI: make test"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    copy = tmp_path_factory.mktemp("rie") / "rie"
    shutil.copyfile(found, copy)
    copy.chmod(0o700)
    return copy


@contextmanager
def emulated(emulator: Path, folder: Path, code: str) -> Iterator[Invoke]:
    """Run the client with this app under the emulator, and give what invokes it."""
    (folder / "app.py").write_text(code, encoding="utf-8")
    address, runtime_api = free_address(), free_address()
    command = [str(emulator), "--runtime-interface-emulator-address", address]
    command += ["--runtime-api-address", runtime_api, sys.executable, "-m", "streaming_runtime"]
    started = subprocess.Popen(
        command,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(LAYER),
            "LAMBDA_TASK_ROOT": str(folder),
            "_HANDLER": "app.handler",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(LIMIT_SECONDS),
        },
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_it_listens(address)
        yield lambda event: post(f"http://{address}{INVOKE}", event)
    finally:
        os.killpg(started.pid, 9)
        started.wait()


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        host, port = listener.getsockname()
        return f"{host}:{port}"


def wait_until_it_listens(address: str) -> None:
    host, port = address.split(":")
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, "the emulator did not start"
            time.sleep(0.02)
        else:
            return


def post(url: str, data: bytes) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, data, timeout=30) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def event(path: str, body: str = "", method: str = "POST") -> bytes:
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    found = {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": {"http": http}}
    return json.dumps({**found, "body": body}).encode()


@pytest.fixture(scope="module")
def invoke(emulator: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Invoke]:
    with emulated(emulator, tmp_path_factory.mktemp("app"), APP) as started:
        yield started


def split(answer: bytes) -> tuple[object, bytes]:
    head, separator, body = answer.partition(NULS)
    assert separator == NULS
    return json.loads(head), body


HEAD = {"statusCode": 201, "headers": {"content-type": "text/plain"}, "cookies": ["a=1"]}


@pytest.mark.parametrize("body", ["text", "\u00e4" * 1000, "a\0\0\0\0\0\0\0\0b"])
def test_a_response_is_its_prelude_the_separator_and_its_body(body: str, invoke: Invoke) -> None:
    status, answer = invoke(event("/", body))
    assert status == 200
    assert split(answer) == (HEAD, body.encode())


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_a_response_without_a_body_is_a_line_feed(method: str, invoke: Invoke) -> None:
    assert split(invoke(event("/", "", method))[1]) == (HEAD, b"\n")


def test_an_error_before_the_head_is_lambdas_error_document(invoke: Invoke) -> None:
    _, answer = invoke(event("/error"))
    report = json.loads(answer)
    assert report["errorType"] == "Runtime.LookupError"
    assert report["errorMessage"] == "nothing here"


def test_an_error_after_the_head_leaves_half_a_body_and_a_process_that_goes_on(
    invoke: Invoke,
) -> None:
    assert split(invoke(event("/cut"))[1]) == (HEAD, b"half")
    assert split(invoke(event("/", "next"))[1]) == (HEAD, b"next")


def test_an_event_that_was_cut_off_is_an_error_of_that_event_alone(invoke: Invoke) -> None:
    _, answer = invoke(event("/", "x" * 6_500_000))
    assert json.loads(answer)["errorType"] == "Runtime.JSONDecodeError"
    assert split(invoke(event("/", "next"))[1]) == (HEAD, b"next")


def test_a_response_over_the_limit_is_refused_and_the_process_goes_on(invoke: Invoke) -> None:
    _, answer = invoke(event("/large"))
    assert b"Response payload size exceeded" in answer
    assert split(invoke(event("/", "next"))[1]) == (HEAD, b"next")


def test_two_hundred_events_are_served_without_growth(invoke: Invoke) -> None:
    pages = [int(split(invoke(event("/resident"))[1])[1]) for _ in range(200)]
    assert (pages[-1] - pages[49]) * os.sysconf("SC_PAGE_SIZE") < 512 * 1024


def test_the_last_resort_ends_a_response_before_the_time_limit_does(invoke: Invoke) -> None:
    began = time.monotonic()
    assert split(invoke(event("/waits"))[1]) == (HEAD, b"\n")
    assert time.monotonic() - began < LIMIT_SECONDS
    assert split(invoke(event("/", "next"))[1]) == (HEAD, b"next")


def test_a_blocked_process_is_killed_and_the_next_one_serves(
    emulator: Path, tmp_path: Path
) -> None:
    with emulated(emulator, tmp_path, APP) as invoke:
        _, answer = invoke(event("/blocked"))
        assert b"Task timed out after" in answer
        assert split(invoke(event("/", "next"))[1]) == (HEAD, b"next")


def test_a_process_that_exits_fails_its_event_and_the_next_one_serves(
    emulator: Path, tmp_path: Path
) -> None:
    with emulated(emulator, tmp_path, APP) as invoke:
        _, answer = invoke(event("/exit"))
        assert b"Runtime.ExitError" in answer
        assert split(invoke(event("/", "next"))[1]) == (HEAD, b"next")


def test_an_app_that_cannot_be_imported_is_an_init_error(emulator: Path, tmp_path: Path) -> None:
    with emulated(emulator, tmp_path, "import nowhere") as invoke:
        _, answer = invoke(event("/"))
        assert b"Runtime.ImportModuleError" in answer
