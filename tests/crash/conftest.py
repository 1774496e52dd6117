"""Where runs are played: a provider that outlives all gateways, and a stage for each file."""

import asyncio
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import final

import pytest

from local.foreground import start
from tests.contract.stand_in import ACCOUNT, stand_in
from tests.crash.hosts import Embedded, Sandboxed
from tests.crash.point import HostKind, StoreKind
from tests.crash.runs import Run
from tests.crash.stage import Stage, Verdict
from tests.e2e.product import clean_environment

__all__ = ["stand_in"]
RESULTS = os.environ.get("CRASH_RESULTS")
"""A file that takes a line of JSON for each run."""


@final
class Theatre:
    """Plays runs one after the other, and notes how they ended."""

    def __init__(self, runner: asyncio.Runner, stage: Stage) -> None:
        self._runner = runner
        self._stage = stage

    def play(self, run: Run, variant: str = "") -> Verdict:
        verdict = self._runner.run(self._stage.play(run, variant))
        if RESULTS is not None and not variant:
            place = {"point": run.point.name, "host": run.host, "store": run.store}
            line = json.dumps({**place, "problems": verdict.problems})
            with Path(RESULTS).open("a") as results:
                results.write(line + "\n")
        return verdict


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The scripted provider, a process that nobody kills."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    home = tmp_path_factory.mktemp("provider")
    child = start("provider", listening, clean_environment(home, {}))
    child.lifeline.recv(1)
    yield f"http://127.0.0.1:{port}"
    child.process.terminate()
    child.process.wait()
    child.lifeline.close()


@pytest.fixture(scope="module")
def aws(stand_in: str) -> Iterator[Mapping[str, str]]:
    """The variables of the local AWS stand-in, in this process as well."""
    account = ACCOUNT | {"AWS_ENDPOINT_URL": stand_in}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.items():
            patch.setenv(name, value)
        yield account


@pytest.fixture(scope="module")
def theatre(
    request: pytest.FixtureRequest, provider: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Theatre]:
    """The stage of a file, as its ``PLACE`` says."""
    host, store = request.module.PLACE
    account = request.getfixturevalue("aws") if store == "table" else {}
    with opened(host, store, provider, tmp_path_factory.mktemp("crash"), account) as made:
        yield made


@contextmanager
def opened(
    host: HostKind, store: StoreKind, provider: str, folder: Path, account: Mapping[str, str]
) -> Iterator[Theatre]:
    with asyncio.Runner() as runner:
        log = folder / "processes.log"
        if host == "embedded":
            stage = Stage(
                folder, store, runner.run(Embedded.started(log, account)), provider, account
            )
        else:
            stage = Stage(folder, store, Sandboxed(log), provider, account)
        try:
            yield Theatre(runner, stage)
        finally:
            runner.run(stage.stop())
