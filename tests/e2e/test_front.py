"""The local Function URL with the streaming runtime behind it, case by case."""

import asyncio
import base64
import gzip
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from statistics import median

import pytest

from local.front.function import Function
from local.function_url import FunctionUrl
from tests.e2e.front_client import Client, Got, ask

ROOT = Path(__file__).resolve().parents[2]
LAG_SECONDS = 0.15
"""What a loaded machine may add between a piece's leaving and its arrival."""

Start = Callable[..., Awaitable[int]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a front with sandboxes of the scripted app; the result is its port."""
    fronts: list[FunctionUrl] = []
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def starting(most: int = 2, timeout_seconds: float = 30, queue_seconds: float = 2) -> int:
        function = Function(
            name="front",
            command=[sys.executable, "-m", "streaming_runtime"],
            handler="front_app.handler",
            task_root=Path(__file__).parent,
            environment={
                "STREAM_APP": "front_app:app",
                "PYTHONPATH": str(ROOT / "layers" / "runtime"),
            },
            most_sandboxes=most,
            timeout_seconds=timeout_seconds,
            queue_seconds=queue_seconds,
            log=log,
        )
        front = FunctionUrl(function)
        fronts.append(front)
        return await front.start()

    yield starting
    for front in fronts:
        await front.stop()
    os.close(log)


@pytest.fixture
async def port(start: Start) -> int:
    return await start()


def state_of(pid: int) -> str:
    """The process's state as the kernel writes it: T for stopped, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


async def becomes(pid: int, state: str) -> bool:
    """Whether a process gets into a state within some seconds."""
    for _ in range(500):
        if state_of(pid) == state:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_request_is_answered_with_the_services_own_headers(port: int) -> None:
    got = await ask(port, "/ping")
    assert (got.status, got.body, got.whole) == (200, b"pong", True)
    assert got.values("x-app") == ["front"]
    assert got.values("transfer-encoding") == ["chunked"]
    assert got.values("x-amzn-requestid")
    assert got.values("x-amzn-trace-id")[0].startswith("Root=1-")
    assert len(got.values("date")) == 1


async def test_a_head_request_ends_without_a_body(port: int) -> None:
    async with Client(port) as client:
        got = await client.ask("HEAD", "/ping")
        assert (got.status, got.body) == (200, b"")
        assert (await client.ask("GET", "/ping")).body == b"pong"


async def test_the_head_comes_before_the_first_byte_of_the_body_exists(port: int) -> None:
    await ask(port, "/ping")
    got = await ask(port, "/head_first?seconds=0.6")
    assert got.pieces[0][0] - got.head_at > 0.4


async def test_each_piece_passes_at_once_and_alone(port: int) -> None:
    got = await ask(port, "/clock?n=20&seconds=0.02")
    assert len(got.pieces) == 20
    assert median(came - float(left) for came, left in got.pieces) < LAG_SECONDS
    (first, _), (_, last_left) = got.pieces[0], got.pieces[-1]
    assert first < float(last_left)


async def test_two_thousand_small_events_stay_two_thousand_pieces(port: int) -> None:
    got = await ask(port, "/many?n=2000")
    assert got.body == b"".join(b"data: %d\n\n" % number for number in range(2000))
    assert len(got.pieces) == 2000


async def test_a_large_answer_is_slowed_down_after_six_megabytes(port: int) -> None:
    await ask(port, "/ping")
    got = await ask(port, f"/big?bytes={8 << 20}")
    assert (len(got.body), got.whole) == (8 << 20, True)
    reached = sum(1 for at in range(len(got.pieces)) if (at + 1) * 65536 <= 6 << 20)
    assert 0.8 < got.ended_at - got.pieces[reached - 1][0] < 3


async def test_a_large_text_request_reaches_the_function(port: int) -> None:
    text = b"t" * (5 * 1024 * 1024 + 512 * 1024)
    got = await ask(port, "/mirror", "POST", [("Content-Type", "application/json")], text)
    assert got.body == text


@pytest.mark.parametrize(
    ("content_type", "size"),
    [("text/plain", 6 << 20), ("application/octet-stream", 4_823_449)],
    ids=["text of 6 MB", "4.6 MiB that become 6.1 MB of base64"],
)
async def test_an_event_over_six_megabytes_is_refused(
    port: int, content_type: str, size: int
) -> None:
    async with Client(port) as client:
        got = await client.ask("POST", "/mirror", [("Content-Type", content_type)], b"x" * size)
        assert got.status == 413
        assert (await client.ask("GET", "/ping")).status == 200


async def test_a_large_upload_is_refused_before_it_is_sent(port: int) -> None:
    async with Client(port) as client:
        await client.write(
            b"POST /mirror HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 7000000\r\n\r\n"
        )
        assert (await client.head()).status == 413


async def test_an_upload_that_asks_first_is_told_to_continue(port: int) -> None:
    async with Client(port) as client:
        await client.write(
            b"POST /mirror HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert (await client.head()).status == 100
        await client.write(b"hi")
        assert (await client.rest(await client.head())).body == b"hi"


async def test_binary_bodies_are_the_same_bytes_both_ways(port: int) -> None:
    binary = bytes(range(256)) * 300
    headers = [("Content-Type", "application/octet-stream")]
    assert (await ask(port, "/mirror", "POST", headers, binary)).body == binary


async def test_a_compressed_body_is_not_touched(port: int) -> None:
    packed = gzip.compress(b'{"a": 1}' * 100)
    headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]
    got = await ask(port, "/mirror", "POST", headers, packed)
    assert got.body == packed
    assert got.values("content-encoding") == ["gzip"]


async def test_a_chunked_upload_is_gathered(port: int) -> None:
    async with Client(port) as client:
        headers = [("Content-Type", "application/json")]
        got = await client.ask("POST", "/tell", headers, b'{"a":"\xc3\xa4"}' * 9, chunked=7)
        told = got.document
        assert base64.b64decode(told["body"]) == b'{"a":"\xc3\xa4"}' * 9
        assert told["event"]["isBase64Encoded"] is False
        assert "transfer-encoding" not in told["event"]["headers"]


async def test_headers_and_query_follow_the_rules_of_payload_two(port: int) -> None:
    headers = [
        ("X-Twice", "1"),
        ("x-twice", "2"),
        ("Cookie", "a=1; b=2"),
        ("Connection", "keep-alive, X-Mine"),
        ("X-Mine", "hop"),
        ("Upgrade", "h2c"),
    ]
    told = (await ask(port, "/tell?b=2&a=%20x&b=1&c", "GET", headers)).document
    assert told["query"] == told["event"]["rawQueryString"] == "b=2&a=%20x&b=1&c"
    assert told["event"]["queryStringParameters"] == {"a": " x", "b": "2,1", "c": ""}
    assert told["event"]["cookies"] == ["a=1", "b=2"]
    seen = told["event"]["headers"]
    assert seen["x-twice"] == "1,2"
    assert not {"cookie", "connection", "upgrade", "x-mine"} & seen.keys()
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert ["cookie", "a=1; b=2"] in told["headers"]


async def test_an_escaped_path_arrives_as_it_was_sent(port: int) -> None:
    told = (await ask(port, "/tell/a%2Fb%20c/%C3%A4")).document
    assert told["raw_path"] == told["event"]["rawPath"] == "/tell/a%2Fb%20c/%C3%A4"


async def test_cookies_get_a_line_each_and_some_headers_another_name(port: int) -> None:
    got = await ask(port, "/cookies")
    assert got.values("set-cookie") == ["a=1; Path=/", "b=2; Expires=Wed, 09 Jun 2027"]
    assert [value.replace(" ", "") for value in got.values("via")] == ["1,2"]
    assert got.values("x-amzn-remapped-date") == ["x"]
    assert got.values("x-amzn-remapped-server") == ["y"]
    assert got.values("x-amzn-remapped-www-authenticate") == ["z"]
    assert got.values("www-authenticate") == []


async def test_every_status_passes(port: int) -> None:
    async with Client(port) as client:
        for status in (200, 201, 202, 204, 301, 304, 400, 401, 403, 404, 422, 429, 500, 503, 529):
            got = await client.ask("GET", f"/status/{status}")
            assert (got.status, got.whole) == (status, True)
            assert got.values("x-app") == ["front"]
            assert got.body == (b"" if status in {204, 304} else b'{"error":{}}')


async def test_an_answer_without_a_body_ends(port: int) -> None:
    got = await ask(port, "/empty")
    assert (got.status, got.whole) == (401, True)


async def test_nul_bytes_in_a_body_are_data(port: int) -> None:
    assert (await ask(port, "/nuls")).body == bytes(8) + b"{}a" + bytes(16)


async def test_an_error_before_the_head_is_a_502(port: int) -> None:
    got = await ask(port, "/fail")
    assert (got.status, got.body) == (502, b"Internal Server Error")
    assert (await ask(port, "/ping")).status == 200


async def test_an_error_after_the_head_is_a_cut(port: int) -> None:
    got = await ask(port, "/fail?after=1")
    assert (got.status, got.body, got.whole) == (200, b"data: 1\n\n", False)
    assert (await ask(port, "/ping")).status == 200


async def test_a_process_that_ends_is_a_502_and_is_replaced(start: Start) -> None:
    port = await start(most=1)
    assert (await ask(port, "/leave?status=3")).status == 502
    assert (await ask(port, "/ping")).status == 200


async def test_a_kill_in_the_middle_of_a_stream_is_a_cut_at_once(start: Start) -> None:
    port = await start(most=1)
    got = await ask(port, "/die")
    assert (got.status, got.whole) == (200, False)
    assert got.ended_at - float(got.body) < LAG_SECONDS
    assert (await ask(port, "/ping")).status == 200


async def test_a_client_that_leaves_does_not_end_the_function(start: Start, tmp_path: Path) -> None:
    port = await start(most=1)
    async with Client(port) as client:
        await client.send("GET", f"/finish?file={tmp_path}/end")
        await client.piece(await client.head())
    assert (await ask(port, f"/read?file={tmp_path}/end")).body == b"finished"


async def test_work_after_the_answer_is_done_before_the_next_event(
    start: Start, tmp_path: Path
) -> None:
    port = await start(most=1)
    await ask(port, "/ping")
    began = time.time()
    got = await ask(port, f"/work_after?seconds=0.5&file={tmp_path}/end")
    assert got.ended_at - began < 0.4
    assert (await ask(port, f"/read?file={tmp_path}/end")).body == b"finished"


async def test_what_is_over_the_concurrency_is_throttled(start: Start) -> None:
    port = await start(most=3, queue_seconds=0.05)
    answers = await asyncio.gather(*(ask(port, "/hold?seconds=1") for _ in range(5)))
    assert sorted(got.status for got in answers) == [200, 200, 200, 429, 429]
    assert len({got.body for got in answers if got.status == 200}) == 3
    refused = next(got for got in answers if got.status == 429)
    assert refused.document["Reason"] == "ConcurrentInvocationLimitExceeded"


async def test_a_sandbox_is_frozen_while_it_waits(start: Start) -> None:
    port = await start(most=1)
    pid, before = map(int, (await ask(port, "/count")).body.split())
    assert await becomes(pid, "T")
    await asyncio.sleep(0.5)
    same, after = map(int, (await ask(port, "/count")).body.split())
    assert same == pid
    assert after - before < 20


@pytest.mark.parametrize("after", [False, True], ids=["before the head", "after the head"])
async def test_a_timeout_kills_the_sandbox(start: Start, after: bool) -> None:
    port = await start(most=1, timeout_seconds=1)
    began = time.time()
    got = await ask(port, "/hang?after=1" if after else "/hang")
    assert 0.9 < got.ended_at - began < 3
    assert (got.status, got.whole) == ((200, False) if after else (502, True))
    assert (await ask(port, "/ping")).status == 200


async def test_one_connection_carries_many_requests(port: int) -> None:
    async with Client(port) as client:
        answers: list[Got] = [await client.ask("GET", "/ping") for _ in range(20)]
    assert {got.body for got in answers} == {b"pong"}


async def test_two_hundred_requests_fit_one_sandbox_without_growth(start: Start) -> None:
    port = await start(most=1)
    async with Client(port) as client:
        pid = int((await client.ask("GET", "/count")).body.split()[0])
        first = resident_kb(pid)
        for _ in range(200):
            assert (await client.ask("GET", "/ping")).status == 200
    assert resident_kb(pid) - first < 2048


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


FRONT = """
import asyncio, sys
from pathlib import Path
from local.front.function import Function
from local.function_url import FunctionUrl
from tests.e2e.front_client import ask
async def main():
    folder = Path(sys.argv[1])
    environment = {"STREAM_APP": "front_app:app", "PYTHONPATH": sys.argv[2]}
    command = [sys.executable, "-m", "streaming_runtime"]
    front = FunctionUrl(Function("front", command, "x.y", folder, environment, log=2))
    port = await front.start()
    print((await ask(port, "/count")).body.decode().split()[0], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_a_front_that_is_killed_leaves_no_sandbox_behind() -> None:
    runtime = str(ROOT / "layers" / "runtime")
    front = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [sys.executable, "-c", FRONT, str(Path(__file__).parent), runtime],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with front:
        assert front.stdout is not None
        pid = int(front.stdout.readline())
        frozen = await becomes(pid, "T")
        front.kill()
    assert frozen
    assert await becomes(pid, "") or state_of(pid) == "Z"
