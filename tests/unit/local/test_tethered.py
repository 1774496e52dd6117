"""Programs that are not ours end when we do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.tethered import NotReady, release, tethered, wait_until_ready

ROOT = Path(__file__).parents[3]
TOLD = "import sys, signal; print(sys.argv[1:], flush=True); signal.pause()"
HOLDING = """
import sys
from local.tethered import tethered
held = tethered([sys.executable, "-c", sys.argv[1], "x"], {}, sys.stdout.buffer)
print("started", flush=True)
held.wait()
"""
UNREACHABLE = "http://127.0.0.1:1/"


def test_a_program_gets_its_arguments_and_ends_when_it_is_released(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        held = tethered([sys.executable, "-c", TOLD, "a b", "$c"], {"PATH": "/bin"}, output)
    while not log.read_text().endswith("\n"):
        assert held.poll() is None
    release(held, 20)
    assert log.read_text().startswith("['a b', '$c']\n")
    assert held.returncode is not None


def test_a_program_that_minds_no_signal_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {TOLD}"
    with log.open("wb") as output:
        held = tethered([sys.executable, "-c", stubborn], {}, output)
    while not log.read_text():
        assert held.poll() is None
    release(held, 0.2)
    assert held.returncode == -signal.SIGKILL


def test_a_program_ends_when_whoever_started_it_is_killed() -> None:
    """Its output is a pipe that ends with the last process that holds it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, TOLD],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        assert {starter.stdout.readline(), starter.stdout.readline()} == {"started\n", "['x']\n"}
        starter.send_signal(signal.SIGKILL)
        assert "x" not in starter.stdout.read()


def test_one_that_ends_at_its_start_is_named() -> None:
    held = tethered([sys.executable, "-c", "0"], {}, subprocess.DEVNULL)
    with pytest.raises(NotReady, match="the oracle ended at its start"):
        wait_until_ready(held, UNREACHABLE, "oracle", 20)
    release(held, 20)


def test_one_that_does_not_answer_in_time_is_named() -> None:
    held = tethered([sys.executable, "-c", TOLD], {}, subprocess.DEVNULL)
    try:
        with pytest.raises(NotReady, match="the oracle was not ready after 0 s"):
            wait_until_ready(held, UNREACHABLE, "oracle", 0.1)
    finally:
        release(held, 20)
