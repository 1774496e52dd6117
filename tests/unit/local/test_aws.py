"""The local AWS stand-in as a process of ours."""

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.aws import LocalAws, installed

pytestmark = [
    pytest.mark.ministack,
    pytest.mark.skipif(
        installed() is None and os.environ.get("CI") != "1",
        reason="the local AWS stand-in is not installed (make .venv-aws/ready)",
    ),
]
ROOT = Path(__file__).parents[3]
HELD = """
import sys, time
from pathlib import Path
from local.aws import LocalAws
with LocalAws(Path(sys.argv[1]), services=("secretsmanager",)) as aws:
    print(aws.endpoint, flush=True)
    time.sleep(60)
"""


def is_answering(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_it_answers_within_and_is_gone_behind() -> None:
    with LocalAws(services=("sts",)) as aws:
        assert is_answering(aws.endpoint)
        assert aws.environment["AWS_ENDPOINT_URL"] == aws.endpoint
        endpoint = aws.endpoint
    assert not is_answering(endpoint)
    aws.stop()


def test_it_ends_and_saves_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HELD, tmp_path],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        endpoint = starter.stdout.readline().strip()
        assert is_answering(endpoint)
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while is_answering(endpoint):
        assert time.monotonic() < deadline, "it was left behind"
    while not any(tmp_path.iterdir()):
        assert time.monotonic() < deadline, "it saved nothing"
