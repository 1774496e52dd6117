"""The template as written, and as the SAM transform leaves it."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SAM_PYTHON = ROOT / ".venv-sam" / "bin" / "python"

TRANSFORM = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

class NoManagedPolicies:
    def load(self):
        return {}

written = yaml_parse(open("template.yaml").read())
parameters = {name: each["Default"] for name, each in written["Parameters"].items()}
given = json.loads(json.dumps(written))
for resource in given["Resources"].values():
    for name in ("CodeUri", "ContentUri"):
        if name in resource["Properties"]:
            resource["Properties"][name] = "s3://bucket/key"
deployed = transform(given, parameters, NoManagedPolicies())
print(json.dumps({"written": written, "deployed": deployed}))
"""

Template = Mapping[str, Any]


@pytest.fixture(scope="session")
def sam_python() -> Path:
    """Return the Python of the SAM CLI's environment.

    Without one the test is skipped, or fails where continuous integration promised the tool.
    """
    if not SAM_PYTHON.exists():
        reason = "the SAM CLI is not installed: make test"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return SAM_PYTHON


@pytest.fixture(scope="session")
def both(sam_python: Path) -> Mapping[str, Template]:
    done = subprocess.run(
        [sam_python, "-c", TRANSFORM],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Template] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="session")
def written(both: Mapping[str, Template]) -> Template:
    return both["written"]


@pytest.fixture(scope="session")
def resources(both: Mapping[str, Template]) -> Template:
    """Return the resources that CloudFormation would get, by their logical ids."""
    found: Template = both["deployed"]["Resources"]
    return found
