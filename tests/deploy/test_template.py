"""The deployed shape, without a deployment."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from aigateway.ledger.dynamodb.table import EXPIRY, table_definition
from aigateway.settings import Settings

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("GatewayFunction", "ReloadFunction", "SessionsFunction")
ROUTES = {
    f"/api/v2/{name}/{collection}{id_}"
    for name in ("aibridge", "ai-gateway")
    for collection in ("sessions", "interceptions")
    for id_ in ("", "/{id}")
}

Template = Mapping[str, Any]


def of_type(resources: Template, kind: str) -> dict[str, Any]:
    return {name: each for name, each in resources.items() if each["Type"] == kind}


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(resources: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            for statement in as_list(policy["PolicyDocument"]["Statement"]):
                yield name, statement


def actions_of(resources: Template, function: str) -> set[str]:
    found = (each for role, each in statements(resources) if role == f"{function}Role")
    return {action for each in found for action in as_list(each["Action"])}


def test_the_table_is_the_one_that_tests_and_the_local_start_create(resources: Template) -> None:
    table = resources["Table"]["Properties"]
    created = table_definition("any")

    def by_name(indexes: list[dict[str, Any]]) -> dict[str, Any]:
        return {each["IndexName"]: (each["KeySchema"], each["Projection"]) for each in indexes}

    def types(definitions: list[dict[str, str]]) -> dict[str, str]:
        return {each["AttributeName"]: each["AttributeType"] for each in definitions}

    assert table["KeySchema"] == created["KeySchema"]
    assert table["BillingMode"] == created["BillingMode"]
    assert types(table["AttributeDefinitions"]) == types(created["AttributeDefinitions"])
    indexes = by_name(table["GlobalSecondaryIndexes"])
    assert indexes == by_name(created["GlobalSecondaryIndexes"])
    assert indexes.keys() == {"list", "lookup", "open"}


def test_the_table_outlives_its_stack_and_forgets_expired_items(resources: Template) -> None:
    table = resources["Table"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    properties = table["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": EXPIRY, "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert "TableName" not in properties, "a fixed name blocks a replacement"


def test_the_gateway_answers_in_a_stream_and_outside_any_vpc(resources: Template) -> None:
    url = resources["GatewayFunctionUrl"]["Properties"]
    assert url["AuthType"] == "NONE"
    assert url["InvokeMode"] == "RESPONSE_STREAM"
    gateway = resources["GatewayFunction"]["Properties"]
    assert "VpcConfig" not in gateway
    assert gateway["Timeout"] == 900


def test_only_the_function_url_is_public_and_by_both_permissions(resources: Template) -> None:
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    public = [each["Properties"] for each in permissions if each["Properties"]["Principal"] == "*"]
    by_action = {each["Action"]: each for each in public}
    assert len(public) == 2
    assert by_action["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    assert by_action["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    assert all(each["FunctionName"] == {"Ref": "GatewayFunction"} for each in public)


def test_no_policy_allows_every_action_or_every_resource(resources: Template) -> None:
    found = list(statements(resources))
    assert {role for role, _ in found} == {f"{name}Role" for name in FUNCTIONS}
    for role, statement in found:
        for value in as_list(statement["Action"]):
            assert "*" not in value, role
            assert not value.endswith(("Scan", ":DeleteTable")), role
        assert "*" not in as_list(statement["Resource"]), role


def test_the_sessions_function_only_reads(resources: Template) -> None:
    assert actions_of(resources, "SessionsFunction") == {
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:Query",
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_the_layer_and_logs_that_end(name: str, resources: Template) -> None:
    function = resources[name]["Properties"]
    assert function["Handler"] == "app.handler"
    [layer] = function["Layers"]
    assert resources[layer["Ref"]]["Type"] == "AWS::Lambda::LayerVersion"
    logging = function["LoggingConfig"]
    assert logging["ApplicationLogLevel"] == "INFO", "a line without a level counts as INFO"
    group = resources[logging["LogGroup"]["Ref"]]
    assert group["Type"] == "AWS::Logs::LogGroup"
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_a_late_tick_is_not_repeated(resources: Template) -> None:
    [rule] = of_type(resources, "AWS::Events::Rule").values()
    rate = ["Seconds", {"Ref": "ReloadInterval"}, "Rate"]
    assert rule["Properties"]["ScheduleExpression"] == {"Fn::FindInMap": rate}
    [target] = rule["Properties"]["Targets"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert resources["ReloadFunction"]["Properties"]["Timeout"] < 60


def test_the_api_has_one_stage_and_names_each_route_with_its_verb(resources: Template) -> None:
    assert len(of_type(resources, "AWS::ApiGateway::Stage")) == 1
    [api] = of_type(resources, "AWS::ApiGateway::RestApi").values()
    paths = api["Properties"]["Body"]["paths"]
    assert paths.keys() == ROUTES
    assert all(verbs.keys() == {"get"} for verbs in paths.values())


def test_every_allowed_interval_is_a_rate_that_the_scheduler_takes(written: Template) -> None:
    allowed = written["Parameters"]["ReloadInterval"]["AllowedValues"]
    rates = written["Mappings"]["Seconds"]
    assert allowed == list(rates)
    for seconds in allowed:
        unit = "minute" if seconds == "60" else "minutes"
        assert rates[seconds]["Rate"] == f"rate({int(seconds) // 60} {unit})"


def test_what_cannot_be_undone_is_off_by_default(written: Template) -> None:
    defaults = {name: each["Default"] for name, each in written["Parameters"].items()}
    assert defaults["DeletionProtection"] == "true"
    assert defaults["LogRetentionDays"] == defaults["RetentionDays"] == 60


def test_the_settings_that_the_template_hands_over_are_accepted(written: Template) -> None:
    parameters = written["Parameters"]
    variables = written["Globals"]["Function"]["Environment"]["Variables"]
    given = {"AWS_LAMBDA_FUNCTION_NAME": "aigw", "AIGW_RETENTION": "60d", "AIGW_TABLE": "aigw"}
    for name, value in variables.items():
        if name not in given:
            given[name] = str(parameters[value["Ref"]]["Default"])
    settings = Settings.from_env(given)
    assert settings.unknown == ()
    assert settings == Settings.from_env(
        {"AWS_LAMBDA_FUNCTION_NAME": "aigw", "AIGW_TABLE": "aigw"}
    ), "a parameter's default is not the setting's"


def test_each_parameter_says_what_it_is_and_has_a_default(written: Template) -> None:
    for name, parameter in written["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert "Default" in parameter, name


@pytest.mark.parametrize(
    "path", sorted((ROOT / "events").glob("*.json")), ids=lambda path: path.stem
)
def test_each_sample_event_is_one_that_a_trigger_of_the_template_sends(path: Path) -> None:
    event = json.loads(path.read_text(encoding="utf-8"))
    if path.stem.startswith("gateway"):
        assert event["version"] == "2.0"
        assert event["requestContext"]["http"]["path"] == event["rawPath"]
    elif path.stem.startswith("sessions"):
        assert event["resource"] in ROUTES
        assert event["httpMethod"] == event["requestContext"]["httpMethod"] == "GET"
    else:
        assert event["detail-type"] == "Scheduled Event"
