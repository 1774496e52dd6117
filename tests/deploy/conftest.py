"""The template as written, and as the SAM transform leaves it."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SAM_PYTHON = ROOT / ".venv-sam" / "bin" / "python"

TRANSFORM = """
import json
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
ResourcesWith = Callable[..., Template]
DROPPED = {"Ref": "AWS::NoValue"}


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
def resources_with(both: Mapping[str, Template]) -> ResourcesWith:
    """Return a function: parameters by name to the resources that CloudFormation would make."""

    def resources(**parameters: str) -> Template:
        template = both["deployed"]
        values = {name: each["Default"] for name, each in template["Parameters"].items()}
        assert parameters.keys() <= values.keys()
        values |= parameters
        conditions = {
            name: is_true(condition, values) for name, condition in template["Conditions"].items()
        }
        return {
            name: chosen(resource, conditions)
            for name, resource in template["Resources"].items()
            if conditions.get(resource.get("Condition"), True)
        }

    return resources


@pytest.fixture(scope="session")
def resources(resources_with: ResourcesWith) -> Template:
    """Return the resources of a deployment with the default parameters, by their logical ids."""
    return resources_with()


def is_true(condition: Template, values: Mapping[str, Any]) -> bool:
    [(function, arguments)] = condition.items()
    if function == "Fn::Not":
        return not is_true(arguments[0], values)
    if function == "Fn::And":
        return all(is_true(each, values) for each in arguments)
    assert function == "Fn::Equals"
    left, right = (values[each["Ref"]] if isinstance(each, dict) else each for each in arguments)
    return str(left) == str(right)


def chosen(value: Any, conditions: Mapping[str, bool]) -> Any:  # noqa: ANN401 - any JSON
    """Replace each Fn::If by the branch that counts, and drop what has no value."""
    if isinstance(value, list):
        branches = [chosen(each, conditions) for each in value]
        return [each for each in branches if each != DROPPED]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::If"}:
        name, yes, no = value["Fn::If"]
        return chosen(yes if conditions[name] else no, conditions)
    members = {name: chosen(each, conditions) for name, each in value.items()}
    return {name: each for name, each in members.items() if each != DROPPED}
