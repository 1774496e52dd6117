"""What a cold start loads: libraries by name, time as a ratio to one module of Python's own."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUNS = 3
LIBRARIES = {
    "aws_lambda_powertools",
    "boto3",
    "cli",
    "httptools",
    "httpx",
    "local",
    "moto",
    "pynamodb",
    "pytest",
    "rich",
    "sqlite3",
    "uvicorn",
}
PROGRAM = """
import json, runpy, sys, time
start = time.perf_counter()
import asyncio
between = time.perf_counter()
runpy.run_path(sys.argv[1], run_name="app")
end = time.perf_counter()
print(json.dumps({"asyncio": between - start, "app": end - between, "modules": [*sys.modules]}))
"""
ON_A_TABLE = ("AIGW_TABLE", "records"), ("AWS_DEFAULT_REGION", "us-east-1")


@cache
def started(function: str, variables: tuple[tuple[str, str], ...] = ()) -> tuple[float, set[str]]:
    """Import a function's module afresh; return the best ratio of some runs, and what it loaded."""
    found: list[dict[str, Any]] = []
    with TemporaryDirectory() as state:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'layers' / 'gateway'}:{ROOT / 'layers' / 'runtime'}",
            "AIGW_STATE_DIR": state,
            **dict(variables),
        }
        command = [sys.executable, "-c", PROGRAM, str(ROOT / "functions" / function / "app.py")]
        for _ in range(RUNS):
            done = subprocess.run(command, env=environment, capture_output=True, check=True)
            found.append(json.loads(done.stdout))
    loaded = LIBRARIES & {name.partition(".")[0] for name in found[0]["modules"]}
    return min(run["app"] for run in found) / min(run["asyncio"] for run in found), loaded


def test_the_gateway_loads_no_library_of_other_rooms() -> None:
    """Not even httpx, which is dear to import: it is there for other transports."""
    _, embedded = started("gateway")
    assert embedded == {"httptools", "sqlite3"}
    _, on_a_table = started("gateway", ON_A_TABLE)
    assert on_a_table == {"httptools", "pynamodb"}


def test_the_reload_loads_nothing_that_relays_or_answers() -> None:
    _, loaded = started("reload", ON_A_TABLE)
    assert loaded <= {"pynamodb"}


def test_the_sessions_api_loads_nothing_that_relays() -> None:
    _, loaded = started("sessions")
    assert loaded == {"aws_lambda_powertools", "sqlite3"}


@pytest.mark.parametrize(
    ("function", "variables", "ceiling"),
    [
        ("gateway", (), 8),
        ("gateway", ON_A_TABLE, 16),
        ("reload", (), 4),
        ("sessions", (), 8),
    ],
)
def test_a_start_stays_below_its_ceiling(
    function: str, variables: tuple[tuple[str, str], ...], ceiling: float
) -> None:
    """Each ceiling is about twice what was measured, in units of ``import asyncio``."""
    ratio, _ = started(function, variables)
    assert ratio < ceiling
