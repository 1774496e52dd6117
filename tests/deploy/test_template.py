"""The deployed shape, without a deployment."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aigateway.ledger.dynamodb.table import EXPIRY, table_definition
from aigateway.settings import Settings

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("GatewayFunction", "ReloadFunction", "SessionsFunction")
DESCRIPTION = json.loads((ROOT / "layers/gateway/aigateway/sessions/openapi.json").read_text())
ROUTES = {
    server["url"] + path for server in DESCRIPTION["servers"] for path in DESCRIPTION["paths"]
}

Template = Mapping[str, Any]
ResourcesWith = Callable[..., Template]


def of_type(resources: Template, kind: str) -> dict[str, Any]:
    return {name: each for name, each in resources.items() if each["Type"] == kind}


def permissions_of(resources: Template) -> Iterable[Template]:
    return of_type(resources, "AWS::Lambda::Permission").values()


def public_permissions(resources: Template) -> list[Template]:
    found = [each["Properties"] for each in permissions_of(resources)]
    return [each for each in found if each["Principal"] == "*"]


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


@pytest.mark.parametrize(("modes", "auth_type"), [("key", "NONE"), ("key,iam", "AWS_IAM")])
def test_the_gateway_answers_in_a_stream_and_outside_any_vpc(
    modes: str, auth_type: str, resources_with: ResourcesWith
) -> None:
    resources = resources_with(AuthModes=modes)
    url = resources["GatewayFunctionUrl"]["Properties"]
    assert url["AuthType"] == auth_type
    assert url["InvokeMode"] == "RESPONSE_STREAM"
    gateway = resources["GatewayFunction"]["Properties"]
    assert "VpcConfig" not in gateway
    assert gateway["Timeout"] == 900


def test_only_the_function_url_is_public_and_by_both_permissions(resources: Template) -> None:
    public = public_permissions(resources)
    by_action = {each["Action"]: each for each in public}
    assert len(public) == 2
    assert by_action["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    assert by_action["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    assert all(each["FunctionName"] == {"Ref": "GatewayFunction"} for each in public)


def test_nothing_is_public_where_callers_sign(resources_with: ResourcesWith) -> None:
    assert not public_permissions(resources_with(AuthModes="key,iam"))


def test_whoever_else_may_invoke_is_a_service_that_names_its_source(resources: Template) -> None:
    permissions = [each["Properties"] for each in permissions_of(resources)]
    services = [each for each in permissions if each["Principal"] != "*"]
    assert {each["Principal"] for each in services} == {
        "apigateway.amazonaws.com",
        "events.amazonaws.com",
    }
    assert all(each["SourceArn"] for each in services)


def test_the_wrapper_starts_our_runtime_in_the_gateway_alone(resources: Template) -> None:
    for name in FUNCTIONS:
        function = resources[name]["Properties"]
        variables = function["Environment"]["Variables"]
        is_gateway = name == "GatewayFunction"
        assert ("AWS_LAMBDA_EXEC_WRAPPER" in variables) is is_gateway
        assert ("STREAM_APP" in variables) is is_gateway
        found = [resources[each["Ref"]]["Properties"]["LayerName"] for each in function["Layers"]]
        suffixes = [each["Fn::Sub"].removeprefix("${AWS::StackName}-") for each in found]
        assert suffixes == (["runtime", "gateway"] if is_gateway else ["gateway"])
    gateway = resources["GatewayFunction"]["Properties"]["Environment"]["Variables"]
    assert gateway["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/stream"
    assert gateway["STREAM_APP"] == "app:app"


def test_only_what_they_use_is_handed_to_the_functions(resources: Template) -> None:
    references = {
        "AIGW_ADMIN_KEY_SECRET": {"ReloadFunction"},
        "AIGW_PROVIDERS_SEED_SECRET": {"ReloadFunction"},
        "AIGW_RELOAD_FUNCTION": {"SessionsFunction"},
        "AIGW_SPILLED_LOG_GROUP": {"ReloadFunction"},
        "AIGW_SECRETS_PREFIX": set(FUNCTIONS),
        "AIGW_PAYLOAD_BUCKET": set(FUNCTIONS),
    }
    for variable, expected in references.items():
        found = {
            name
            for name in FUNCTIONS
            if variable in resources[name]["Properties"]["Environment"]["Variables"]
        }
        assert found == expected, variable


def test_concurrency_is_reserved_only_where_it_is_limited(resources_with: ResourcesWith) -> None:
    name = "ReservedConcurrentExecutions"
    assert name not in resources_with()["GatewayFunction"]["Properties"]
    limited = resources_with(MaxConcurrency="50")
    assert limited["GatewayFunction"]["Properties"][name] == {"Ref": "MaxConcurrency"}
    assert name not in limited["ReloadFunction"]["Properties"], "the limit brakes callers alone"


@pytest.mark.parametrize(("enabled", "mode"), [("false", "PassThrough"), ("true", "Active")])
def test_traces_are_sent_where_they_are_wanted(
    enabled: str, mode: str, resources_with: ResourcesWith
) -> None:
    resources = resources_with(TraceEnable=enabled)
    for name in FUNCTIONS:
        assert resources[name]["Properties"]["TracingConfig"] == {"Mode": mode}
    [stage] = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert stage["Properties"]["TracingEnabled"] is (enabled == "true")


def test_large_texts_are_private_encrypted_and_outlive_the_stack(resources: Template) -> None:
    bucket = resources["PayloadBucket"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    properties = bucket["Properties"]
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert "LifecycleConfiguration" not in properties, "the reload function sets it"
    assert "BucketName" not in properties
    policy = resources["PayloadBucketPolicy"]["Properties"]["PolicyDocument"]
    [statement] = policy["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_the_first_key_is_no_part_of_the_template(resources: Template) -> None:
    secret = resources["AdminKeySecret"]["Properties"]
    assert not {"SecretString", "GenerateSecretString"} & secret.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_the_layer_and_logs_that_end(name: str, resources: Template) -> None:
    function = resources[name]["Properties"]
    assert function["Handler"] == "app.handler"
    assert {resources[each["Ref"]]["Type"] for each in function["Layers"]} == {
        "AWS::Lambda::LayerVersion"
    }
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
    configuring = paths.pop("/api/v2/ai/{proxy+}")
    assert configuring.keys() == {"get", "post", "put", "patch", "delete"}
    assert paths.keys() == {*ROUTES, "/metrics"}
    assert all(verbs.keys() == {"get"} for verbs in paths.values())


def test_the_api_keeps_a_log_of_access_and_limits_the_rate(resources: Template) -> None:
    [stage] = of_type(resources, "AWS::ApiGateway::Stage").values()
    log = stage["Properties"]["AccessLogSetting"]
    assert log["DestinationArn"] == {"Fn::GetAtt": ["ApiLogs", "Arn"]}
    assert resources["ApiLogs"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    line = json.loads(log["Format"])
    assert "$context.requestId" in line.values()
    assert not any("header" in each or "query" in each.lower() for each in line.values())
    [settings] = stage["Properties"]["MethodSettings"]
    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert settings["ThrottlingRateLimit"] == 50
    assert settings["ThrottlingBurstLimit"] == 100


def test_the_account_wide_role_is_made_first_where_it_is_wanted_and_stays(
    resources_with: ResourcesWith,
) -> None:
    resources = resources_with()
    [api] = of_type(resources, "AWS::ApiGateway::RestApi").values()
    assert api["DependsOn"] == "ApiLogsAccount"
    for name in ("ApiLogsAccount", "ApiLogsAccountRole"):
        assert resources[name]["DeletionPolicy"] == "Retain"
        assert name not in resources_with(ApiLogsRole="false")


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
    own = {"AWS_LAMBDA_FUNCTION_NAME": "aigw", "AIGW_TABLE": "aigw", "AIGW_PAYLOAD_BUCKET": "aigw"}
    given = own | {"AIGW_RETENTION": "60d"}
    for name, value in variables.items():
        if name not in given:
            given[name] = str(parameters[value["Ref"]]["Default"])
    settings = Settings.from_env(given)
    assert settings.unknown == ()
    assert settings == Settings.from_env(own), "a parameter's default is not the setting's"
    for function in FUNCTIONS:
        properties = written["Resources"][function]["Properties"]
        more = properties.get("Environment", {"Variables": {}})["Variables"]
        ours = {name: "any/" for name in more if name.startswith("AIGW_")}
        assert Settings.from_env(own | ours).unknown == ()


def test_the_console_shows_each_parameter_in_one_group(written: Template) -> None:
    groups = written["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(written["Parameters"])


def test_each_output_says_what_it_is_for(written: Template) -> None:
    outputs = written["Outputs"]
    assert {"GatewayUrl", "AnthropicBaseUrl", "OpenAIBaseUrl", "ApiUrl"} <= outputs.keys()
    for name, output in outputs.items():
        assert output["Description"], name


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
