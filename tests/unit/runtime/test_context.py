from dataclasses import replace

import pytest

from streaming_runtime.context import Context
from streaming_runtime.runtime_api import Invocation

INVOCATION = Invocation("id", 90_000, "arn", None, None, None, None, None, b"{}")
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "gateway",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/gateway",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
}


def test_a_context_has_the_names_of_the_stock_runtime() -> None:
    context = Context.of(INVOCATION, ENVIRONMENT)
    assert context.aws_request_id == "id"
    assert context.invoked_function_arn == "arn"
    assert context.function_name == "gateway"
    assert context.function_version == "$LATEST"
    assert context.memory_limit_in_mb == "256"
    assert context.log_group_name == "/aws/lambda/gateway"
    assert context.log_stream_name == "stream"
    assert context.identity.cognito_identity_id is None
    assert context.identity.cognito_identity_pool_id is None
    assert context.client_context is None
    assert context.tenant_id is None


@pytest.mark.parametrize(("now", "left"), [(30.0, 60_000), (89.9995, 1), (90.0, 0), (100.0, 0)])
def test_the_time_left_is_counted_to_the_deadline_and_never_below_nothing(
    now: float, left: int
) -> None:
    context = replace(Context.of(INVOCATION, {}), now=lambda: now)
    assert context.get_remaining_time_in_millis() == left


@pytest.mark.parametrize("broken", ["", "no json", "[]", "null", '"text"'])
def test_a_header_that_is_no_object_says_nothing(broken: str) -> None:
    context = Context.of(
        replace(INVOCATION, client_context=broken, cognito_identity=broken), ENVIRONMENT
    )
    assert context.client_context is None
    assert context.identity.cognito_identity_id is None


def test_an_empty_client_context_is_one() -> None:
    context = Context.of(replace(INVOCATION, client_context="{}"), ENVIRONMENT)
    assert context.client_context is not None
    assert context.client_context.env is None
