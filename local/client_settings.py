"""``python -m local.client_settings``: what to paste into clients of a deployed stack.

The stack is the one of `samconfig.toml`: what `sam deploy --guided` was told and kept there.
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aigateway.aws import client

SAMCONFIG = Path(__file__).parents[1] / "samconfig.toml"
VARIABLES = {"region": "AWS_DEFAULT_REGION", "profile": "AWS_PROFILE"}


def deployed_with(samconfig: Path, profile: str = "default") -> Mapping[str, str]:
    """Return the settings of `sam deploy`, those of all commands beneath."""
    tables: Any = tomllib.loads(samconfig.read_text(encoding="utf-8"))[profile]
    found: dict[str, str] = {}
    for command in ("global", "deploy"):
        found |= tables.get(command, {}).get("parameters", {})
    return found


def outputs_of(stack: str) -> Mapping[str, str]:
    """Ask CloudFormation for the outputs of a stack."""
    [found] = client("cloudformation", attempts=3).describe_stacks(StackName=stack)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


def client_settings(outputs: Mapping[str, str]) -> str:
    """Return lines for a shell, in the order in which they are needed."""
    return "\n".join(
        [
            "# the first key, of the user admin; it is there a minute after the first deployment",
            f"export AIGW_KEY=$({outputs['FirstKeyCommand']})",
            "",
            "# Claude Code and other clients of Anthropic's API",
            f"export ANTHROPIC_BASE_URL={outputs['AnthropicBaseUrl']}",
            'export ANTHROPIC_AUTH_TOKEN="$AIGW_KEY"',
            "",
            "# Codex and other clients of OpenAI's API",
            f"export OPENAI_BASE_URL={outputs['OpenAIBaseUrl']}",
            'export OPENAI_API_KEY="$AIGW_KEY"',
            "",
            "# bin/aigw: users, keys, recorded sessions",
            f"export AIGW_TABLE={outputs['TableName']}",
            f"export AIGW_PAYLOAD_BUCKET={outputs['PayloadBucketName']}",
            "",
            "# the sessions API",
            f"export API={outputs['ApiUrl']}",
            'curl -s "$API/api/v2/aibridge/sessions" -H "Coder-Session-Token: $AIGW_KEY"',
        ]
    )


def main(samconfig: Path = SAMCONFIG) -> int:
    settings = deployed_with(samconfig)
    for setting, variable in VARIABLES.items():
        if setting in settings:
            os.environ[variable] = settings[setting]
    print(client_settings(outputs_of(settings["stack_name"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
