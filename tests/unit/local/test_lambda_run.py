"""What the functions are given on this machine is what the template gives them."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local import deployed
from local.foreground import await_ready, followed, watch
from local.lambda_host import log_file, tick_event
from local.lambda_run import without_account

ROOT = Path(__file__).parents[3]
TEMPLATE = (ROOT / "template.yaml").read_text()


@pytest.mark.parametrize(
    ("resource", "seconds"),
    [
        ("GatewayFunction", deployed.GATEWAY_SECONDS),
        ("ReloadFunction", deployed.RELOAD_SECONDS),
        ("SessionsFunction", deployed.SESSIONS_SECONDS),
    ],
)
def test_the_time_limits_are_those_of_the_template(resource: str, seconds: int) -> None:
    block = TEMPLATE.split(f"\n  {resource}:\n")[1].split("\n  Type:")[0]
    found = re.search(r"^      Timeout: (\d+)$", block, re.MULTILINE)
    assert found is not None
    assert int(found[1]) == seconds


def test_the_memory_is_that_of_the_template() -> None:
    block = TEMPLATE.split("\n  MemorySize:\n")[1]
    found = re.search(r"^    Default: (\d+)$", block, re.MULTILINE)
    assert found is not None
    assert int(found[1]) == deployed.MEMORY_MB


def test_the_tick_has_the_form_of_the_sample() -> None:
    sample = json.loads((ROOT / "events" / "reload-tick.json").read_text())
    assert tick_event().keys() == sample.keys()
    assert tick_event()["source"] == sample["source"]


def test_a_function_is_given_its_settings_and_the_table_and_nothing_else() -> None:
    given = deployed.environment_of(
        {"AIGW_TABLE": "t", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "HOME": "/root", "X": "y"}
    )
    assert given.pop("PYTHONPATH").endswith("layers/runtime")
    assert given == {"AIGW_TABLE": "t", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


def test_no_account_or_profile_of_the_user_reaches_the_stand_in() -> None:
    found = without_account({"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x", "AIGW_TABLE": "t"})
    assert found == {"AIGW_TABLE": "t"}


def test_a_log_begins_anew_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "gateway.log"
    for text in (b"one", b"two"):
        with open(log_file({"AIGW_STATE_DIR": str(tmp_path)}, "gateway"), "wb") as log:  # noqa: PTH123 - a descriptor
            log.write(text)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_end_of_a_process_without_a_lifeline_is_noticed() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child = followed("store", process)
    ours, theirs = socket.socketpair()
    with process, ours, theirs, child.lifeline:
        process.communicate(b"\n")
        assert watch([child], ours) == "store"
        assert await_ready([child]) == "the store did not start"
