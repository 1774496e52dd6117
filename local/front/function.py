"""A function as it is deployed, and the environment its processes get."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

ACCOUNT = "123456789012"
INIT_SECONDS = 10.0
"""The init phase of a sandbox; a slower one is begun again within the invocation (Lambda guide)."""


@final
@dataclass(frozen=True, slots=True)
class Function:
    """What the sandboxes of one function run.

    ``command`` speaks the Runtime API; it starts in ``task_root`` with PATH, LANG, TZ, HOME, what
    Lambda documents, and ``environment``, nothing else. ``most_sandboxes``: the concurrency.
    ``queue_seconds``: how long an event waits for a sandbox when all are busy. A sandbox that was
    idle for ``idle_seconds`` is killed. ``log``: the descriptor that the command's output and
    the START, END and REPORT lines are written to; a file must be open for appending. ``traces``:
    its tracing is active, and every trace that a client says nothing about is sampled.
    """

    name: str
    command: Sequence[str]
    handler: str
    task_root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    most_sandboxes: int = 10
    timeout_seconds: float = 900
    memory_mb: int = 512
    init_seconds: float = INIT_SECONDS
    idle_seconds: float = 300
    queue_seconds: float = 0.25
    log: int = 1
    traces: bool = False

    @property
    def arn(self) -> str:
        region = self.environment.get("AWS_REGION", "us-east-1")
        return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{self.name}"


def environment_of(function: Function, runtime_api: str, log_stream: str) -> dict[str, str]:
    """The whole environment of a sandbox (Lambda guide, "Defined runtime environment variables").

    ``runtime_api``: host and port. Credentials are placeholders unless the function's own
    environment brings some.
    """
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": "/tmp",  # noqa: S108 - the only folder that Lambda lets a function write to
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        **function.environment,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(function.task_root),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
    }
