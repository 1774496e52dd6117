"""Sandboxes with real processes: their start, limits, deaths and reuse."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local.front.function import Function
from local.sandboxes import EventTooLarge, Sandboxes, Throttled

RUNTIME = Path(__file__).with_name("raw_runtime.py")

Opened = Callable[..., AbstractAsyncContextManager[Sandboxes]]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def opened(tmp_path: Path, log: int) -> Opened:
    @asynccontextmanager
    async def opening(start: str = "", **settings: Any) -> Any:  # noqa: ANN401 - Function's own
        function = Function(
            name="raw",
            command=settings.pop("command", [sys.executable, str(RUNTIME)]),
            handler="app.handler",
            task_root=tmp_path,
            environment={"OWN": str(tmp_path / "own"), "START": start},
            **{"queue_seconds": 2, "log": log, **settings},
        )
        sandboxes = Sandboxes(function)
        yield sandboxes
        await sandboxes.stop()

    return opening


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - of another process there is no event
        await asyncio.sleep(0.01)


async def told(sandboxes: Sandboxes, **event: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    return json.loads((await sandboxes.invoke(event)).payload)


async def test_the_environment_is_clean_and_documented(opened: Opened, tmp_path: Path) -> None:
    async with opened(memory_mb=256) as sandboxes:
        seen = await told(sandboxes, do="tell")
    pid = seen.pop("pid")
    assert pid != os.getpid()
    assert seen == {
        "_HANDLER": "app.handler",
        "LAMBDA_TASK_ROOT": str(tmp_path),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "HOME": "/tmp",  # noqa: S108 - what Lambda sets
        "OWN": str(tmp_path / "own"),
        "PYTEST_CURRENT_TEST": None,
        "cwd": str(tmp_path),
    }


async def test_a_direct_call_returns_the_functions_answer(opened: Opened) -> None:
    async with opened() as sandboxes:
        outcome = await sandboxes.invoke({"do": "echo", "ä": [1]})
        assert (json.loads(outcome.payload), outcome.failed) == ({"do": "echo", "ä": [1]}, False)
        failed = await sandboxes.invoke({"do": "error"})
        assert failed.failed
        assert json.loads(failed.payload)["errorType"] == "Wanted"


async def test_one_sandbox_is_used_again_event_after_event(opened: Opened) -> None:
    async with opened(most_sandboxes=1) as sandboxes:
        pids = {(await told(sandboxes, do="tell"))["pid"] for _ in range(10)}
    assert len(pids) == 1


async def test_the_most_recently_used_sandbox_is_taken_first(opened: Opened) -> None:
    async with opened(most_sandboxes=2) as sandboxes:
        held = [told(sandboxes, do="hold", seconds=seconds) for seconds in (0.2, 0.6)]
        _, later = await asyncio.gather(*held)
        await until(lambda: len(sandboxes._idle) == 2)
        assert await told(sandboxes, do="hold", seconds=0) == later


async def test_an_event_waits_its_turn_for_a_moment_only(opened: Opened) -> None:
    async with opened(most_sandboxes=1, queue_seconds=0.3) as sandboxes:
        await told(sandboxes, do="tell")
        short = [told(sandboxes, do="hold", seconds=0) for _ in range(3)]
        assert len(set(await asyncio.gather(*short))) == 1
        long = asyncio.ensure_future(told(sandboxes, do="hold", seconds=1))
        with pytest.raises(Throttled):
            await asyncio.gather(told(sandboxes, do="tell"), told(sandboxes, do="tell"))
        await long


async def test_an_event_over_six_megabytes_is_refused(opened: Opened) -> None:
    async with opened() as sandboxes:
        with pytest.raises(EventTooLarge):
            await sandboxes.begin(b"x" * 6_291_457)


async def test_next_before_the_answer_is_the_same_event_again(opened: Opened) -> None:
    async with opened() as sandboxes:
        assert await told(sandboxes, do="early") == {"status": 200, "same": True}


async def test_an_answer_in_one_piece_has_a_limit(opened: Opened, tmp_path: Path) -> None:
    async with opened(most_sandboxes=1) as sandboxes:
        outcome = await sandboxes.invoke({"do": "oversized"})
        assert outcome.failed
        assert json.loads(outcome.payload)["errorType"] == "Function.ResponseSizeTooLarge"
        assert (await told(sandboxes, do="echo"))["do"] == "echo"
    assert (tmp_path / "own").read_text() == "413"


@pytest.mark.parametrize(
    ("start", "error_type"), [("fails", "Runtime.Unknown"), ("exits", "Runtime.ExitError")]
)
async def test_a_failing_start_fails_the_event(
    opened: Opened, start: str, error_type: str, tmp_path: Path
) -> None:
    async with opened(start, most_sandboxes=1) as sandboxes:
        for _ in range(2):
            outcome = await sandboxes.invoke({"do": "tell"})
            assert outcome.failed
    assert error_type in (tmp_path / "log").read_text()


async def test_a_command_that_is_not_there_fails_the_event(opened: Opened) -> None:
    async with opened(command=["/nowhere/python"]) as sandboxes:
        outcome = await sandboxes.invoke({"do": "tell"})
    assert json.loads(outcome.payload)["errorType"] == "Runtime.InvalidEntrypoint"


async def test_a_slow_start_is_tried_once_more_within_the_invocation(
    opened: Opened, tmp_path: Path
) -> None:
    async with opened("slow once", init_seconds=0.5) as sandboxes:
        assert (await told(sandboxes, do="tell"))["pid"]
    assert "Phase: init\tStatus: timeout" in (tmp_path / "log").read_text()


async def test_a_start_that_stays_slow_is_a_timeout(opened: Opened) -> None:
    async with opened("slow", init_seconds=0.2, timeout_seconds=0.4) as sandboxes:
        outcome = await sandboxes.invoke({"do": "tell"})
    assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"


async def test_a_process_over_its_memory_is_killed(opened: Opened) -> None:
    async with opened(memory_mb=128) as sandboxes:
        outcome = await asyncio.wait_for(sandboxes.invoke({"do": "eat"}), 10)
    assert json.loads(outcome.payload)["errorType"] == "Runtime.OutOfMemory"


async def test_an_idle_sandbox_ends_after_a_while(opened: Opened) -> None:
    async with opened(most_sandboxes=1, idle_seconds=0.1) as sandboxes:
        first = (await told(sandboxes, do="tell"))["pid"]
        await until(lambda: not Path(f"/proc/{first}").exists())
        assert (await told(sandboxes, do="tell"))["pid"] != first


async def test_what_a_process_sent_before_its_end_arrives_whole(opened: Opened) -> None:
    async with opened(most_sandboxes=1) as sandboxes:
        invocation = await sandboxes.begin(b'{"do":"ends"}')
        assert (await invocation.whole()).endswith(b"all of it")
        assert (await told(sandboxes, do="tell"))["pid"]


async def test_stopping_ends_what_is_under_way(opened: Opened) -> None:
    async with opened() as sandboxes:
        outcome = asyncio.ensure_future(sandboxes.invoke({"do": "hold", "seconds": 30}))
        await until(lambda: bool(sandboxes._running))
        await sandboxes.stop()
        assert (await outcome).failed


async def test_the_log_tells_start_end_and_report(opened: Opened, tmp_path: Path) -> None:
    async with opened(memory_mb=300) as sandboxes:
        await told(sandboxes, do="tell")
        await sandboxes.stop()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["START", "END", "REPORT"]
    assert len({line.split("RequestId: ")[1].split()[0] for line in lines}) == 1
    assert "Memory Size: 300 MB\tMax Memory Used: " in lines[2]
    assert "Init Duration: " in lines[2]
