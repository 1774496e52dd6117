"""The three functions as the template deploys them, for sandboxes on this machine."""

import sys
from collections.abc import Mapping
from pathlib import Path

from aigateway.settings import Settings
from local.front.function import Function

ROOT = Path(__file__).parents[1]
LAYERS = (ROOT / "layers" / "gateway", ROOT / "layers" / "runtime")
MEMORY_MB = 256
GATEWAY_SECONDS, RELOAD_SECONDS, SESSIONS_SECONDS = 900, 50, 29
"""The template's own time limits."""

QUEUE_SECONDS = 5.0
"""The service has a thousand sandboxes, this machine a few: a short wait in place of a 429."""

GIVEN = (
    "AIGW_",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "CODER_TRACE_",
    "OTEL_",
)


def environment_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a function is given of this environment, and where its layers lie."""
    given = {name: value for name, value in environment.items() if name.startswith(GIVEN)}
    return given | {"PYTHONPATH": ":".join(str(layer) for layer in LAYERS)}


def gateway(
    environment: Mapping[str, str],
    log: int,
    *,
    timeout_seconds: float = GATEWAY_SECONDS,
    most_sandboxes: int = 10,
) -> Function:
    """The streaming function, started by the layer's wrapper as Lambda starts it."""
    return Function(
        name="aigw-gateway",
        command=[str(ROOT / "layers" / "runtime" / "stream"), sys.executable, "bootstrap"],
        handler="app.handler",
        task_root=ROOT / "functions" / "gateway",
        environment=environment_of(environment) | {"STREAM_APP": "app:app"},
        most_sandboxes=most_sandboxes,
        timeout_seconds=timeout_seconds,
        memory_mb=MEMORY_MB,
        queue_seconds=QUEUE_SECONDS,
        log=log,
        traces=Settings.from_env(environment).trace_enable,
    )


def reload(environment: Mapping[str, str], log: int) -> Function:
    return _buffered("reload", RELOAD_SECONDS, environment, log)


def sessions(environment: Mapping[str, str], log: int) -> Function:
    return _buffered("sessions", SESSIONS_SECONDS, environment, log)


def _buffered(
    name: str, timeout_seconds: float, environment: Mapping[str, str], log: int
) -> Function:
    """A function run by AWS's own client, as managed Python runs it."""
    return Function(
        name=f"aigw-{name}",
        command=[sys.executable, str(Path(__file__).parent / "front" / "stock_runtime.py")],
        handler="app.handler",
        task_root=ROOT / "functions" / name,
        environment=environment_of(environment) | {"LAMBDA_RUNTIME_DIR": str(stock_client())},
        most_sandboxes=2,
        timeout_seconds=timeout_seconds,
        memory_mb=MEMORY_MB,
        queue_seconds=QUEUE_SECONDS,
        log=log,
    )


def stock_client() -> Path:
    """Return the folder with AWS's client in it. Raises ``FileNotFoundError``."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = ROOT / ".venv-aws" / "lib" / version / "site-packages"
    if not (packages / "awslambdaric").is_dir():
        raise FileNotFoundError("the client of AWS's runtime is missing: make .venv-aws/ready")
    return packages
