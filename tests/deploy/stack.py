"""A stack in the local AWS stand-in, deployed by the real SAM CLI, and ways to speak to it."""

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, final

import boto3

from local.aws import LocalAws

ROOT = Path(__file__).parents[2]
NAME = "aigw"
SAM = ROOT / ".venv-sam" / "bin" / "sam"
FUNCTIONS_PYTHON = ROOT / ".venv-aws" / "bin" / "python"
"""The stand-in runs functions with its own Python."""

PROCESSORS = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def host_target() -> tuple[str, str]:
    """Return runtime and architecture of functions that can run on this machine."""
    asked = "import sys; print(f'python{sys.version_info[0]}.{sys.version_info[1]}')"
    done = subprocess.run(
        [FUNCTIONS_PYTHON, "-c", asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), PROCESSORS[platform.machine().lower()]


@final
class Stack:
    """``outputs`` are those of the last deployment: an update may move the API."""

    def __init__(self, aws: LocalAws, home: Path) -> None:
        self.aws = aws
        self.outputs: dict[str, str] = {}
        self._home = home
        self._build = home / "build"
        self._runtime, self._architecture = host_target()

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.aws.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def environment(self) -> dict[str, str]:
        """Return a clean environment in which AWS is the stand-in."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "SAM_CLI_TELEMETRY": "0",
            **self.aws.environment,
        }

    def build(self) -> None:
        """Build for this machine through the door that everybody uses."""
        target = [f"RUNTIME={self._runtime}", f"ARCHITECTURE={self._architecture}"]
        done = subprocess.run(
            ["make", "-C", ROOT, "build", *target, f"BUILD={self._build}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def deploy(self, **parameters: str) -> str:
        """Deploy what was built, read the outputs, and return what the SAM CLI said."""
        given = {"Runtime": self._runtime, "Architecture": self._architecture, **parameters}
        done = subprocess.run(
            [
                SAM,
                "deploy",
                "--template-file",
                self._build / "template.yaml",
                "--config-file",
                ROOT / "samconfig.toml",
                "--config-env",
                "local",
                "--parameter-overrides",
                *(f"{name}={value}" for name, value in given.items()),
            ],
            cwd=self._home,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        [stack] = self.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        return done.stdout

    def resource(self, logical_id: str) -> str:
        """Return the physical id of a resource."""
        found = self.client("cloudformation").describe_stack_resources(
            StackName=NAME, LogicalResourceId=logical_id
        )
        return str(found["StackResources"][0]["PhysicalResourceId"])

    def invoke(self, logical_id: str, event: object) -> Any:  # noqa: ANN401 - JSON of any shape
        """Invoke a function and return its answer. A function that raised fails the test."""
        answer = self.client("lambda").invoke(
            FunctionName=self.resource(logical_id), Payload=json.dumps(event)
        )
        payload = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, payload
        return json.loads(payload)

    def api(self, path: str) -> str:
        """Return a URL of the sessions API as the stand-in serves it."""
        api_id, stage = self.outputs["ApiUrl"].removeprefix("https://").split(".")[0], "live"
        return f"{self.aws.endpoint}/restapis/{api_id}/{stage}/_user_request_{path}"

    def aigw(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON of any shape
        """Run the command line against the deployed table."""
        done = subprocess.run(
            [ROOT / "bin" / "aigw", *arguments, "--json"],
            cwd=self._home,
            env=self.environment() | {"AIGW_TABLE": self.outputs["TableName"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
