"""No role may do more than `policies.json` says: whoever widens one changes that list too."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Template = Mapping[str, Any]
ResourcesWith = Callable[..., Template]
LISTED = json.loads((Path(__file__).parent / "policies.json").read_text(encoding="utf-8"))
EVERYTHING = {
    "TraceEnable": "true",
    "ProvidersSeedSecretArn": "arn",
    "ProviderKeySecretArns": "arn",
    "BedrockAccess": "true",
    "BedrockRoleArn": "arn",
    "PromAuthSecretArn": "arn",
    "PromAuth": "sigv4",
    "OtlpHeadersSecretArn": "arn",
}
NEVER = ("dynamodb:Scan", "dynamodb:DeleteTable", "s3:DeleteBucket")


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def named(resource: object) -> str:
    """Return an ARN in the words of the template."""
    if not isinstance(resource, dict):
        return str(resource)
    [(function, argument)] = resource.items()
    if function == "Fn::GetAtt":
        return "${" + ".".join(argument) + "}"
    if function == "Fn::Split":
        return f"${{{argument[1]['Ref']}}}"
    return str(argument) if function == "Fn::Sub" else f"${{{argument}}}"


def statement_of(statement: Template) -> Template:
    allowed: dict[str, Any] = {
        "Action": sorted(as_list(statement["Action"])),
        "Resource": sorted(named(each) for each in as_list(statement["Resource"])),
    }
    if "Condition" in statement:
        allowed["Condition"] = statement["Condition"]
    return allowed


def roles_of(resources: Template) -> dict[str, Template]:
    return {
        name: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "AWS::IAM::Role"
    }


def statements_of(role: Template) -> list[Template]:
    return [
        statement
        for policy in role.get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_each_role_has_the_listed_statements_and_no_other(resources_with: ResourcesWith) -> None:
    found = {
        name: {each["Sid"]: statement_of(each) for each in statements_of(role)}
        for name, role in roles_of(resources_with(**EVERYTHING)).items()
    }
    assert found == LISTED["statements"]


def test_each_role_has_the_listed_managed_policies_and_no_other(
    resources_with: ResourcesWith,
) -> None:
    found = {
        name: sorted(named(each) for each in role["ManagedPolicyArns"])
        for name, role in roles_of(resources_with(**EVERYTHING)).items()
        if role.get("ManagedPolicyArns")
    }
    assert found == LISTED["managed"]


def test_what_is_allowed_is_named_action_by_action(resources_with: ResourcesWith) -> None:
    for name, role in roles_of(resources_with(**EVERYTHING)).items():
        for statement in statements_of(role):
            actions = as_list(statement["Action"])
            assert statement["Effect"] == "Allow"
            assert not any("*" in each or each in NEVER for each in actions), name
            if not all(each.startswith("xray:") for each in actions):
                assert "*" not in as_list(statement["Resource"]), name


def test_by_default_nothing_is_allowed_on_every_resource(resources: Template) -> None:
    for name, role in roles_of(resources).items():
        for statement in statements_of(role):
            assert "*" not in as_list(statement["Resource"]), name


@pytest.mark.parametrize("name", ["GatewayFunction", "ReloadFunction", "SessionsFunction"])
def test_each_function_has_a_role_of_its_own(name: str, resources: Template) -> None:
    role = name.removesuffix("Function") + "Role"
    assert resources[name]["Properties"]["Role"] == {"Fn::GetAtt": [role, "Arn"]}
    assume = resources[role]["Properties"]["AssumeRolePolicyDocument"]
    [statement] = assume["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_sessions_function_writes_only_where_it_must(resources: Template) -> None:
    writes = [
        (tuple(as_list(each["Action"])), each["Condition"])
        for each in statements_of(roles_of(resources)["SessionsRole"])
        if any(a.startswith("dynamodb:") and a.endswith("Item") for a in as_list(each["Action"]))
        and not {"dynamodb:GetItem", "dynamodb:BatchGetItem"} & set(as_list(each["Action"]))
    ]
    keys = "dynamodb:LeadingKeys"
    assert writes == [
        (("dynamodb:UpdateItem",), {"ForAllValues:StringLike": {keys: ["K#*"]}}),
        (
            ("dynamodb:PutItem",),
            {"ForAllValues:StringLike": {keys: ["ARN#*", "K#*", "NAME#*", "USER"]}},
        ),
        (("dynamodb:DeleteItem",), {"ForAllValues:StringLike": {keys: ["ARN#*"]}}),
        (("dynamodb:ConditionCheckItem",), {"ForAllValues:StringEquals": {keys: ["USER"]}}),
        (("dynamodb:PutItem",), {"ForAllValues:StringEquals": {keys: ["CFG"]}}),
        (("dynamodb:PutItem",), {"ForAllValues:StringLike": {keys: ["AUDIT#*", "PROV"]}}),
        (("dynamodb:PutItem",), {"ForAllValues:StringEquals": {keys: ["JOB"]}}),
    ]


def test_by_default_nothing_of_bedrock_is_allowed(resources: Template) -> None:
    actions = {
        action
        for statement in statements_of(roles_of(resources)["GatewayRole"])
        for action in as_list(statement["Action"])
    }
    assert not any(action.startswith(("bedrock", "sts:")) for action in actions)


def test_only_the_scheduled_function_deletes_records_and_texts(resources: Template) -> None:
    """Those of erased users; every other deletion is of one kind of item that can be made anew."""
    deleting = {
        (name, each["Sid"])
        for name, role in roles_of(resources).items()
        for each in statements_of(role)
        if {"dynamodb:DeleteItem", "s3:DeleteObject"} & set(as_list(each["Action"]))
    }
    assert deleting == {
        ("ReloadRole", "ForgetOldSnapshots"),
        ("ReloadRole", "ForgetUsers"),
        ("ReloadRole", "ForgetLargeTexts"),
        ("ReloadRole", "MoveCounters"),
        ("SessionsRole", "GiveUpPrincipals"),
    }


def test_the_log_is_searched_only_where_that_is_wanted_and_only_the_gateways(
    resources_with: ResourcesWith,
) -> None:
    def searching(**parameters: str) -> set[tuple[str, str]]:
        return {
            (name, named(resource))
            for name, role in roles_of(resources_with(**parameters)).items()
            for each in statements_of(role)
            if "logs:FilterLogEvents" in as_list(each["Action"])
            for resource in as_list(each["Resource"])
        }

    assert {name for name, _ in searching()} == {"ReloadRole"}
    assert all("GatewayLogs" in where or where.endswith("-gateway") for _, where in searching())
    assert searching(ImportSpilled="false") == set()
    for wanted, is_given in (("true", True), ("false", False)):
        function = resources_with(ImportSpilled=wanted)["ReloadFunction"]["Properties"]
        assert ("AIGW_SPILLED_LOG_GROUP" in function["Environment"]["Variables"]) is is_given
