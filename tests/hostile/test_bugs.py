"""A bug of our own whose exception holds secrets shows them to nobody."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import pytest

from aigateway.settings import Settings
from local.__main__ import LOOPBACK, prepare
from tests.e2e.product import KEY, ROOT, clean_environment
from tests.hostile.conftest import rows
from tests.hostile.planted_answers import OWN, PROVIDER_KEY, TOOL
from tests.hostile.provider import Provider
from tests.hostile.raw import Heard, posted, sent
from tests.otlp import Collected, collecting
from tests.planted import found_in

SECRETS = {"own": OWN, "tool": TOOL, "gateway key": KEY, "provider key": PROVIDER_KEY}


@final
@dataclass(slots=True)
class Broken:
    """A gateway that fails at one verb of its store. ``said`` is what it printed by its end."""

    port: int
    said: str = field(default="")


@contextmanager
def broken(state: Path, verb: str, collected: Collected) -> Iterator[Broken]:
    variables = {
        "AIGW_STATE_DIR": str(state),
        "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK,
        "AIGW_LOG_LEVEL": "DEBUG",
        "AIGW_TRACE_ENABLE": "true",
        "AIGW_TRACE_LOGS": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collected.endpoint,
    }
    environment = clean_environment(state, variables)
    del environment["AIGW_ADMIN_KEY"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "tests.hostile.broken", verb, str(listening.fileno())]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            pass_fds=[listening.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            made = Broken(listening.getsockname()[1])
            try:
                yield made
            finally:
                process.terminate()
                made.said, _ = process.communicate(timeout=30)


@pytest.mark.parametrize("verb", ["key", "open", "close"])
async def test_i10_a_bug_shows_nobody_what_it_had_in_hand(
    provider: Provider, tmp_path: Path, verb: str
) -> None:
    settings = Settings.from_env(
        {"AIGW_STATE_DIR": str(tmp_path), "AIGW_ALLOWED_PRIVATE_CIDRS": LOOPBACK}
    )
    await prepare(settings, {"AIGW_PROVIDERS_JSON": rows(provider), "AIGW_ADMIN_KEY": KEY}, 0)
    with collecting() as collected, broken(tmp_path, verb, collected) as gateway:
        heard: list[Heard] = []
        for path in (b"/anthropic/v1/messages", b"/openai/v1/responses", b"/nobody/v1/messages"):
            heard += sent(gateway.port, posted(b"Cookie: " + TOOL.encode(), path=path))
        if verb != "key":  # what nobody is known to have asked has no trace
            collected.wait_for(1)
    statuses = {each.status for each in heard}
    assert statuses <= {200, 404, 500, 503}
    answered = "\n".join(str(each) for each in heard)
    assert "ValueError" not in answered
    assert "cannot read" not in answered
    shown = json.dumps([gateway.said, str(collected.spans), answered])
    assert "ValueError" in shown, "the bug is told of"
    assert found_in(tmp_path / "none", shown, SECRETS) == []
