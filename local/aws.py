"""The local AWS stand-in as a process: DynamoDB, S3, secrets and, for a deploy, all the rest.

It is `ministack` from the virtual environment `.venv-aws`, or from the PATH. It writes what it
holds into its state directory only when it is ended by TERM, so it is tethered: whatever happens
to us, it stops, and saves.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import final

from local.tethered import release, tethered, wait_until_ready

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
SERVICES = ("dynamodb", "logs", "s3", "secretsmanager", "sts")
"""What our functions call. A deploy needs more: pass none to have every service."""

REGION = "us-east-1"
START_SECONDS, STOP_SECONDS = 60.0, 20.0


class NoStandIn(OSError):
    """The stand-in is not installed; the message says what to do."""


@final
class LocalAws:
    """A running stand-in, within ``with``; several may run, each on a free port of its own.

    ``state`` keeps what it holds from one run to the next; without it nothing is kept.
    ``enforce_iam`` makes it refuse what no policy allows.
    Entering raises ``NoStandIn`` or ``NotReady``.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        services: Sequence[str] = SERVICES,
        enforce_iam: bool = False,
        log_level: str = "WARNING",
        log: Path | None = None,
    ) -> None:
        self._state = state
        self._services = services
        self._enforce_iam = enforce_iam
        self._log_level = log_level
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def endpoint(self) -> str:
        """The address, for ``AWS_ENDPOINT_URL``."""
        return f"http://{HOST}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which an AWS SDK finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
        }

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, which ends when the stand-in does."""
        if self._process is None:
            raise RuntimeError("it is not running")
        return self._process

    def __enter__(self) -> "LocalAws":
        program = installed()
        if program is None:
            raise NoStandIn("the local AWS stand-in is not installed: make .venv-aws/ready")
        self._port = _free_port()
        output = self._log.open("ab") if self._log else subprocess.DEVNULL
        self._process = tethered([program], self._own_environment(), output)
        if not isinstance(output, int):
            output.close()
        try:
            health = f"{self.endpoint}/_ministack/health"
            wait_until_ready(self._process, health, "local AWS stand-in", START_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it by TERM and wait until it has saved what it holds; a second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            release(process, STOP_SECONDS)

    def _own_environment(self) -> dict[str, str]:
        """Return a clean environment: its port variable is called as one of ours."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", "/"),
            "GATEWAY_PORT": str(self._port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "LOG_LEVEL": self._log_level,
            "AUTH": str(self._enforce_iam).lower(),
        }
        if self._services:
            environment["SERVICES"] = ",".join(self._services)
        if self._state is not None:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            environment |= {
                "PERSIST_STATE": "1",
                "STATE_DIR": str(self._state.absolute()),
                "S3_PERSIST": "1",
                "S3_DATA_DIR": str(self._state.absolute() / "s3"),
            }
        return environment


def installed() -> str | None:
    """Return the program, if there is one."""
    return shutil.which("ministack", path=f"{ROOT}/.venv-aws/bin:{os.environ.get('PATH', '')}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port
