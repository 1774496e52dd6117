"""Programs that are not ours, tied to this process: however it ends, they end by TERM.

Such a program runs below a shell whose input is a pipe from here. When the pipe closes, by us or
by our end, the shell passes that on; when the program ends, so does the shell.
"""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import IO

ASKED_EVERY_SECONDS = 0.05

UNTIL_INPUT_ENDS = """
exec 3<&0
"$0" "$@" </dev/null 3<&- &
program=$!
trap : TERM INT HUP
(cat <&3 >/dev/null; kill -TERM $program 2>/dev/null) &
exec 3<&-
wait $program
"""
"""Runs a program until this shell's input ends, or until it ends by itself."""


class NotReady(OSError):
    """A program did not start; the message says which."""


def tethered(
    command: Sequence[str], environment: Mapping[str, str], output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Start a program; what is returned is its shell. ``output`` takes all that it says."""
    return subprocess.Popen(  # noqa: S603 - the callers name the programs
        ["/bin/sh", "-c", UNTIL_INPUT_ENDS, *command],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def release(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a tethered program and wait for it, at most so long before it is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(
    process: subprocess.Popen[bytes], address: str, name: str, seconds: float
) -> None:
    """Return once a GET of ``address`` is answered 200. Raises ``NotReady``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotReady(f"the {name} ended at its start")
        try:
            with urllib.request.urlopen(address, timeout=1) as answer:  # noqa: S310 - loopback
                if answer.status == HTTPStatus.OK:
                    return
        except OSError:
            time.sleep(ASKED_EVERY_SECONDS)
    raise NotReady(f"the {name} was not ready after {seconds:.0f} s")
