"""``aigw run-lambda``: ``aigw run`` as it is deployed, on the same ports, with the same variables.

The gateway runs in sandboxes behind a Function URL, the sessions and reload functions in others
behind a REST API and a schedule, and table, bucket and secrets lie in the local AWS stand-in. What
is recorded stays in the state directory, like that of ``aigw run`` but apart from it.
"""

import os
import socket
from collections.abc import Mapping, Sequence

from aigateway.settings import Settings
from local import foreground
from local.__main__ import Parts, serve
from local.aws import LocalAws
from local.deployed import stock_client
from local.foreground import Environment, bound_sockets, followed

OWN = {
    "AIGW_TABLE": "aigw-records",
    "AIGW_PAYLOAD_BUCKET": "aigw-payloads",
    "AIGW_SECRETS_PREFIX": "aigw/providers/",
}
"""What the template gives its functions, with names as a stack would make them."""

SHOWN = ("AIGW_TABLE", "AIGW_PAYLOAD_BUCKET", "AIGW_SECRETS_PREFIX")
"""What the command line needs of it."""

ACCOUNT_VARIABLES = "AWS_"


def run(arguments: Sequence[str] = ()) -> int:
    """Run until a signal; return the exit status."""
    return foreground.run("run-lambda", arguments, _compose)


def _compose(environment: Environment, stopping: socket.socket) -> int:
    stock_client()
    sockets = bound_sockets(environment)
    state = Settings.from_env(environment).state_dir
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with LocalAws(state / "aws") as stand_in:
        account = {"AWS_REGION": "us-east-1", **stand_in.environment}
        environment = without_account(environment) | account | OWN
        _take_account(account)
        parts = Parts(
            module="local.lambda_host",
            beneath=[followed("local AWS stand-in", stand_in.process)],
            shown=stand_in.environment | {name: OWN[name] for name in SHOWN},
        )
        return serve(environment, sockets, stopping, parts)


def without_account(environment: Mapping[str, str]) -> Environment:
    """Return the environment without any other AWS account or profile."""
    return {n: value for n, value in environment.items() if not n.startswith(ACCOUNT_VARIABLES)}


def _take_account(account: Mapping[str, str]) -> None:
    """Let the SDK of this process, which reads no other environment, find the stand-in too."""
    for name in [name for name in os.environ if name.startswith(ACCOUNT_VARIABLES)]:
        del os.environ[name]
    os.environ.update(account)
