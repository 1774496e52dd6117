"""What a cold start loads: libraries by name, time as a ratio to one module of Python's own."""

import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUNS = 3
LIBRARIES = {
    "aws_lambda_powertools",
    "aws_xray_sdk",
    "boto3",
    "botocore",
    "cli",
    "httptools",
    "httpx",
    "local",
    "moto",
    "opentelemetry",
    "pynamodb",
    "pytest",
    "requests",
    "rich",
    "sqlite3",
    "uvicorn",
}
PROGRAM = """
import json, runpy, sys, time
before = {*sys.modules}
start = time.perf_counter()
import asyncio
between = time.perf_counter()
runpy.run_path(sys.argv[1], run_name="app")
end = time.perf_counter()
modules = [*{*sys.modules} - before]
print(json.dumps({"asyncio": between - start, "app": end - between, "modules": modules}))
"""
SQLITE_BUDGET = {"aigateway": 127, "streaming_runtime": 6, "httptools": 7, "Python": 140}
"""Modules beyond the interpreter's own that a cold start may load, by package. Python's differ a
little from version to version; every other count is that of the lock, and a few more of ours."""

TABLE_BUDGET = SQLITE_BUDGET | {"aigateway": 146}
BY_SDK_BUDGET = TABLE_BUDGET | {
    "botocore": 76,
    "urllib3": 30,
    "brotli": 2,
    "pynamodb": 18,
    "dateutil": 11,
    "jmespath": 8,
    "certifi": 2,
    "six": 2,
    "Python": 190,
}
BY_SDK = ("AIGW_TABLE", "records"), ("AWS_DEFAULT_REGION", "us-east-1")
ON_A_TABLE = (*BY_SDK, ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"))


@cache
def started(function: str, variables: tuple[tuple[str, str], ...] = ()) -> tuple[float, list[str]]:
    """Import a function's module afresh; return the best ratio of some runs, and what it loaded."""
    found: list[dict[str, Any]] = []
    with TemporaryDirectory() as state:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'layers' / 'gateway'}:{ROOT / 'layers' / 'runtime'}",
            "AIGW_STATE_DIR": state,
            "HOME": state,
            **dict(variables),
        }
        command = [sys.executable, "-c", PROGRAM, str(ROOT / "functions" / function / "app.py")]
        for _ in range(RUNS):
            done = subprocess.run(command, env=environment, capture_output=True, check=True)
            found.append(json.loads(done.stdout))
    ratio = min(run["app"] for run in found) / min(run["asyncio"] for run in found)
    return ratio, found[0]["modules"]


def libraries(modules: list[str]) -> set[str]:
    return LIBRARIES & {name.partition(".")[0] for name in modules}


def packages(modules: list[str]) -> Counter[str]:
    """Count modules by package, Python's own together; Cython's markers are none."""
    files = (name for name in modules if "cython_" not in name)
    names = (name.partition(".")[0].removeprefix("_") for name in files)
    own = {name.removeprefix("_") for name in sys.stdlib_module_names}
    return Counter("Python" if name in own else name for name in names)


def test_the_gateway_loads_no_library_of_other_rooms() -> None:
    """Not even httpx, which is dear to import: it is there for other transports."""
    _, embedded = started("gateway")
    assert libraries(embedded) == {"httptools", "sqlite3"}
    _, on_a_table = started("gateway", ON_A_TABLE)
    assert libraries(on_a_table) == {"httptools"}


def test_the_sdk_is_loaded_where_only_it_can_find_keys() -> None:
    _, loaded = started("gateway", BY_SDK)
    assert libraries(loaded) == {"botocore", "httptools", "pynamodb"}


@pytest.mark.parametrize(
    ("variables", "budget"),
    [((), SQLITE_BUDGET), (ON_A_TABLE, TABLE_BUDGET), (BY_SDK, BY_SDK_BUDGET)],
    ids=["embedded", "on a table", "by the SDK"],
)
def test_a_cold_start_of_the_gateway_stays_in_its_budget_of_modules(
    variables: tuple[tuple[str, str], ...], budget: dict[str, int]
) -> None:
    _, modules = started("gateway", variables)
    found = packages(modules)
    assert {name: count for name, count in found.items() if count > budget.get(name, 0)} == {}


def test_the_reload_loads_nothing_that_relays_or_answers() -> None:
    _, loaded = started("reload", ON_A_TABLE)
    assert libraries(loaded) <= {"botocore", "pynamodb"}


def test_the_sessions_api_loads_nothing_that_relays() -> None:
    _, loaded = started("sessions")
    assert libraries(loaded) == {"aws_lambda_powertools", "botocore", "sqlite3"}


TRACING = {
    "aigateway.relay.traced",
    "aigateway.telemetry.exports",
    "aigateway.telemetry.log_events",
    "aigateway.telemetry.tracing",
    "aigateway.telemetry.xray",
}


def test_what_traces_is_loaded_only_where_it_is_wanted() -> None:
    """Then nothing stands between the gateway and its store and transport: no await is added."""
    _, off = started("gateway")
    assert TRACING & {*off} == set()
    _, on = started("gateway", (("AIGW_TRACE_ENABLE", "true"), ("AIGW_TRACE_LOGS", "true")))
    assert TRACING - {*on} == {"aigateway.telemetry.xray"}
    assert libraries(on) == {"httptools", "opentelemetry", "requests", "sqlite3"}
    sdk = (("AIGW_TRACE_BACKEND", "xray-sdk"), ("AIGW_TRACE_ENABLE", "true"))
    _, by_sdk = started("gateway", sdk)
    assert libraries(by_sdk) == {"aws_xray_sdk", "botocore", "httptools", "sqlite3"}


@pytest.mark.parametrize(
    ("function", "variables", "ceiling"),
    [
        ("gateway", (), 8),
        ("gateway", ON_A_TABLE, 9),
        ("gateway", BY_SDK, 16),
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
