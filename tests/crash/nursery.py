"""A process that has loaded the product and forks its processes, one of them again and again.

``python -m tests.crash.nursery SOCKET`` takes lines of JSON: ``{"serve": environment}`` starts
a gateway on the socket; one that is killed is started again, and ``{"restart": true}`` kills it.
``{"run": job, "environment": …, "arguments": …}`` starts a job (``jobs.py``). It says in lines
of JSON whose process ``began`` and ``ended``, with a status as ``subprocess`` has it. When its
input ends, so do they all.
"""

import asyncio
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, final

from aigateway.ledger.dynamodb.connection import Sending
from aigateway.settings import Settings
from local.lifeline import tied
from local.serve import serve
from tests.crash.jobs import run_job
from tests.crash.programs import dying_gateway

READ_BYTES = 65_536


@final
class Nursery:
    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._selector = selectors.DefaultSelector()
        self._selector.register(0, selectors.EVENT_READ, "input")
        self._lifelines: dict[int, socket.socket] = {}
        self._gateway: int | None = None
        self._environment: Mapping[str, str] = {}
        self._sdk = _sdk()
        self._heard = b""

    def live(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data == "input":
                    if not self._hear():
                        return
                else:
                    self._bury(key.fd, *key.data)

    def _hear(self) -> bool:
        """Take orders; false at the end of them."""
        heard = os.read(0, READ_BYTES)
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "run" in order:
                self._fork(order["run"], partial(self._job, **order))
            else:
                self._environment = order.get("serve", self._environment)
                self._replace()
        return bool(heard)

    def _replace(self) -> None:
        if self._gateway is None:
            self._gateway = self._fork("gateway", self._serve)
        else:
            os.kill(self._gateway, signal.SIGKILL)

    def _serve(self) -> int:
        os.environ.update(self._environment)
        app = dying_gateway(os.environ, has_disk=True)
        return serve(app, self._listening, Settings.from_env(os.environ))

    def _job(self, run: str, environment: Mapping[str, str], arguments: Mapping[str, Any]) -> int:
        os.environ.update(environment)
        asyncio.run(run_job(run, arguments, self._sdk))
        return 0

    def _fork(self, name: str, work: Callable[[], int]) -> int:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            os.dup2(2, 1)
            status = 1
            try:
                tied(str(theirs.detach()))
                status = work()
            except BaseException:  # noqa: BLE001 - told, and told by the status
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        theirs.close()
        self._lifelines[pid] = ours
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (name, pid))
        _say(began=name, pid=pid)
        return pid

    def _bury(self, descriptor: int, name: str, pid: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self._lifelines.pop(pid).close()
        if name == "gateway":
            self._gateway = self._fork("gateway", self._serve) if status < 0 else None
        _say(ended=name, status=status)


def _sdk() -> Sending | None:
    """Make what sends jobs' requests to the table beforehand: that takes 0.3 s."""
    if "AWS_ENDPOINT_URL" not in os.environ:
        return None
    from aigateway.ledger.dynamodb.sdk import Sdk, connected  # noqa: PLC0415 - costs 150 ms

    connection = connected()
    _ = connection.client
    return Sdk(connection)


def _say(**said: object) -> None:
    os.write(1, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    Nursery(socket.socket(fileno=int(sys.argv[1]))).live()
