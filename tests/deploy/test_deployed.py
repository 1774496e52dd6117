"""The product as deployed: built, deployed and run in the local AWS stand-in, policies enforced.

The stand-in does not stream, so requests take the gateway's buffered handler here. It runs
functions as processes of this machine and speaks plain HTTP to them.
"""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from aigateway.ledger import spilled_text
from local.aws import LocalAws, installed
from tests.builders import a_closed, a_usage, an_opened
from tests.deploy.stack import NAME, ROOT, SAM, Stack

pytestmark = pytest.mark.deployed

SEED = "providers-seed"
PROVIDER_KEY = "scripted-key-" + "k" * 20
KEY_FORM = re.compile(r"aigw_[0-9a-f]{16}_[A-Za-z0-9_-]{43}")
TICK_SECONDS = 90
"""A rate of one minute, and the first start of a function."""

PARAMETERS = {
    "DeletionProtection": "false",
    "AllowedPrivateCidrs": "127.0.0.0/8",
    "MetricsEndpoint": "true",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:people",
}


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The scripted provider on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with subprocess.Popen(
            [sys.executable, "-m", "local.serve", "provider", str(listening.fileno())],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}/layers/gateway:{ROOT}"},
            pass_fds=[listening.fileno()],
        ) as process:
            yield address
            process.terminate()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, provider: str) -> Iterator[Stack]:
    """The stack after its first deployment and one tick of the schedule."""
    assert SAM.exists(), "the SAM CLI is not installed: make smoke"
    assert installed(), "the local AWS stand-in is not installed: make smoke"
    home = tmp_path_factory.mktemp("deployed")
    with LocalAws(services=(), enforce_iam=True, log=home / "stand-in.log") as aws:
        stack = Stack(aws, home)
        stack.build()
        seed = stack.client("secretsmanager").create_secret(
            Name=SEED,
            SecretString=json.dumps(
                [
                    {
                        "name": "anthropic",
                        "type": "anthropic",
                        "base_url": provider,
                        "api_keys": [PROVIDER_KEY],
                    }
                ]
            ),
        )
        stack.deploy(**PARAMETERS, ProvidersSeedSecretArn=seed["ARN"])
        yield stack


@pytest.fixture(scope="module")
def first_key(stack: Stack) -> str:
    """The key that a tick of the schedule has made; nobody but the schedule started it."""
    deadline = time.monotonic() + TICK_SECONDS
    while time.monotonic() < deadline:
        if key := secret(stack, f"{NAME}/admin-key"):
            return key
        time.sleep(0.5)
    pytest.fail("no tick of the schedule made the first key")


@pytest.fixture(scope="module")
def member_key(stack: Stack, first_key: str) -> str:
    stack.aigw("users", "create", "alice")
    return str(stack.aigw("keys", "create", "--user", "alice")["secret"])


def secret(stack: Stack, name: str) -> str:
    found = stack.client("secretsmanager").get_secret_value(SecretId=name)
    return str(found["SecretString"])


def ask(stack: Stack, key: str, prompt: str, **members: str) -> dict[str, Any]:
    """Send a message through the gateway function and return Lambda's form of the answer."""
    event = json.loads((ROOT / "events" / "gateway-messages.json").read_text(encoding="utf-8"))
    event["headers"]["x-api-key"] = key
    body = json.loads(event["body"])
    body["messages"][0]["content"] = prompt
    event["body"] = json.dumps(body | members)
    answer: dict[str, Any] = stack.invoke("GatewayFunction", event)
    return answer


def query(stack: Stack, key: str, path: str) -> Any:  # noqa: ANN401 - JSON of any shape
    request = urllib.request.Request(  # noqa: S310 - loopback
        stack.api(f"/api/v2/aibridge/{path}"), headers={"Coder-Session-Token": key}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def recorded(stack: Stack, key: str, answer: dict[str, Any]) -> Any:  # noqa: ANN401 - likewise
    return query(stack, key, f"interceptions/{answer['headers']['x-ai-gateway-interception-id']}")


def test_the_schedule_makes_the_first_key_and_seeds_the_providers(
    stack: Stack, first_key: str
) -> None:
    assert KEY_FORM.fullmatch(first_key)
    names = [each["Name"] for each in stack.client("secretsmanager").list_secrets()["SecretList"]]
    [stored] = [name for name in names if name.startswith(f"{NAME}/providers/anthropic/")]
    assert secret(stack, stored) == PROVIDER_KEY


def test_a_request_is_relayed_recorded_and_found_by_the_api(
    stack: Stack, first_key: str, member_key: str
) -> None:
    answer = ask(stack, member_key, "What is in this folder?")
    assert answer["statusCode"] == 200
    assert "message_stop" in answer["body"]
    interception = recorded(stack, member_key, answer)
    assert "What is in this folder?" in json.dumps(interception)
    sessions = query(stack, first_key, "sessions?initiator=alice&include=auxiliary")
    assert sessions["count"] >= 1


def test_what_is_printed_for_clients_are_the_addresses_of_the_stack(stack: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.client_settings"],
        cwd=ROOT,
        env=stack.environment() | {"PYTHONPATH": f"{ROOT}/layers/gateway:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert f"export ANTHROPIC_BASE_URL={stack.outputs['AnthropicBaseUrl']}" in lines
    assert f"export AIGW_TABLE={stack.outputs['TableName']}" in lines


def test_the_bucket_refuses_plain_connections_and_then_keeps_a_large_prompt(
    stack: Stack, member_key: str
) -> None:
    bucket = stack.outputs["PayloadBucketName"]
    s3 = stack.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    prompt = " ".join(str(hash((number, "word"))) for number in range(20_000))
    refused = ask(stack, member_key, prompt)
    assert refused["statusCode"] == 503, "the stand-in speaks plain HTTP to functions"
    s3.delete_bucket_policy(Bucket=bucket)
    try:
        answer = ask(stack, member_key, prompt)
        assert answer["statusCode"] == 200
        assert prompt[:1000] in json.dumps(recorded(stack, member_key, answer))
    finally:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    objects = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert objects
    assert all(each["Key"].startswith("p/") for each in objects)


def test_the_reload_function_bounds_the_life_of_large_texts(stack: Stack, first_key: str) -> None:
    s3, bucket = stack.client("s3"), stack.outputs["PayloadBucketName"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    try:
        stack.invoke("ReloadFunction", {})
    finally:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    [rule] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["Expiration"]["Days"] == 62


def scraped(stack: Stack, key: str) -> str:
    request = urllib.request.Request(  # noqa: S310 - loopback
        stack.api("/metrics"), headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        text: bytes = answer.read()
    return text.decode()


def test_metrics_are_published_and_served(stack: Stack, first_key: str, member_key: str) -> None:
    """A model that no provider knows ends in ``other``, whose counter takes over the other one."""
    assert ask(stack, member_key, "Count this.")["statusCode"] == 200
    refused = ask(stack, member_key, "[[fake status=404]]", model="invented")
    assert refused["statusCode"] == 404
    deadline, text = time.monotonic() + TICK_SECONDS, ""
    while 'model="other"' not in text and time.monotonic() < deadline:
        stack.invoke("ReloadFunction", {})
        text = scraped(stack, first_key)
    assert re.search(r'interceptions_total\{.*model="other".*status="failed"\} 1\n', text)
    assert re.search(r'interceptions_total\{.*model="claude.*status="completed"\} \d+\n', text)
    assert "aigw_publisher_errors_total" not in text
    table = stack.client("dynamodb")
    names = [
        item["sk"]["S"]
        for item in table.scan(TableName=stack.outputs["TableName"])["Items"]
        if item["pk"]["S"].startswith("CTR#")
    ]
    assert not any("invented" in name for name in names)


def test_what_the_log_says_is_not_stored_is_stored_by_the_schedule(
    stack: Stack, first_key: str
) -> None:
    opened = an_opened(expires_at=None, session=None)
    closed = a_closed(opened, a_usage())
    line = {
        "message": "interception log",
        "record_type": "interception_end",
        "interception_id": opened.id,
        "stored": False,
        "record": spilled_text(opened, closed, content=True),
    }
    logs, group = stack.client("logs"), stack.resource("GatewayLogs")
    logs.create_log_stream(logGroupName=group, logStreamName="spilled")
    event = {"timestamp": round(time.time() * 1000), "message": json.dumps(line)}
    logs.put_log_events(logGroupName=group, logStreamName="spilled", logEvents=[event])
    for _ in range(2):
        stack.invoke("ReloadFunction", {})
    found = query(stack, first_key, f"interceptions/{opened.id}")
    assert (found["outcome"], len(found["token_usages"])) == ("completed", 1)


def test_alarms_and_the_dashboard_are_there(stack: Stack) -> None:
    cloudwatch = stack.client("cloudwatch")
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=f"{NAME}-")["MetricAlarms"]
    assert {each["AlarmName"].removeprefix(f"{NAME}-") for each in alarms} == {
        "orphans",
        "provider-not-enabled",
        "publisher-failing",
        "recorder-errors",
        "reload-failing",
        "reload-silent",
    }
    assert all(each["AlarmActions"] == [PARAMETERS["AlarmTopicArn"]] for each in alarms)
    board = json.loads(cloudwatch.get_dashboard(DashboardName=NAME)["DashboardBody"])
    texts = [widget["properties"].get("query", "") for widget in board["widgets"]]
    logs = stack.resource("GatewayLogs")
    assert sum(f"SOURCE '{logs}'" in text for text in texts) == 5
    assert "${PROP('Dim.Provider')}" in json.dumps(board)


def test_an_unchanged_deployment_changes_nothing(stack: Stack) -> None:
    before = stack.outputs
    stack.build()
    said = stack.deploy(**PARAMETERS)
    assert "No changes to deploy" in said
    assert stack.outputs == before


def test_an_update_changes_what_was_asked_and_keeps_the_data(
    stack: Stack, first_key: str, member_key: str
) -> None:
    answer = ask(stack, member_key, "What was here before the update?")
    table, bucket = stack.outputs["TableName"], stack.outputs["PayloadBucketName"]
    stack.deploy(**PARAMETERS, RetentionDays="30", MemorySize="512")
    assert (stack.outputs["TableName"], stack.outputs["PayloadBucketName"]) == (table, bucket)
    function = stack.client("lambda").get_function_configuration(
        FunctionName=stack.resource("GatewayFunction")
    )
    assert function["MemorySize"] == 512
    assert function["Environment"]["Variables"]["AIGW_RETENTION"] == "30d"
    assert "before the update" in json.dumps(recorded(stack, member_key, answer))
    again = ask(stack, member_key, "And after it?")
    assert again["statusCode"] == 200
    assert secret(stack, f"{NAME}/admin-key") == first_key
