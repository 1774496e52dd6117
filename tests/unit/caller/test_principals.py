"""What an entry names, and who a request says has signed it."""

from typing import Any

import pytest

from aigateway.caller.principals import Entry, Signer, entry_of, signer_of

ROLE = "arn:aws:iam::123456789012:role/dev"
PERSON = "arn:aws:iam::123456789012:user/division/alice"
ASSUMED = "arn:aws:sts::123456789012:assumed-role/dev/alice@example.com"


@pytest.mark.parametrize(
    ("text", "principal", "named"),
    [
        (ROLE, ROLE, False),
        (f"{ROLE} session_name=username", ROLE, True),
        ("arn:aws:iam::123456789012:role/a/b/dev", ROLE, False),
        ("arn:aws-cn:iam::123456789012:role/dev", ROLE.replace("aws", "aws-cn", 1), False),
        (f"{ROLE},b=c.@-_", f"{ROLE},b=c.@-_", False),
        (PERSON, PERSON, False),
    ],
)  # fmt: skip
def test_an_entry_is_the_arn_of_a_role_or_a_user(text: str, principal: str, named: bool) -> None:
    assert entry_of(text) == Entry(principal, named)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dev",
        f" {ROLE}",
        f"{ROLE}\n",
        f"{ROLE}*",
        f"{ROLE}/",
        f"{ROLE} session_name=user",
        f"{ROLE}  session_name=username",
        f"{PERSON} session_name=username",
        ASSUMED,
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:group/dev",
        "arn:aws:iam::12345678901:role/dev",
        "arn:aws:iam::123456789012:role/" + "x" * 65,
        "arn:aws:iam::123456789012:role/é",
        "arn:aws:iam::123456789012:role/a b/dev",
    ],
)
def test_anything_else_is_no_entry(text: str) -> None:
    assert entry_of(text) is None


def url_event(arn: str, unique_id: str) -> dict[str, Any]:
    iam = {
        "accessKey": "AKIDEXAMPLE",
        "accountId": "123456789012",
        "callerId": unique_id,
        "userArn": arn,
        "userId": unique_id,
    }
    return {"version": "2.0", "requestContext": {"authorizer": {"iam": iam}}}


def rest_event(arn: str | None, unique_id: str | None) -> dict[str, Any]:
    identity = {"userArn": arn, "caller": unique_id, "user": unique_id, "sourceIp": "192.0.2.1"}
    return {"requestContext": {"identity": identity}}


@pytest.mark.parametrize("event", [url_event, rest_event])
def test_a_role_is_told_by_its_name_and_a_user_by_its_arn(event: Any) -> None:  # noqa: ANN401 - either function
    by_role = signer_of(event(ASSUMED, "AROAEXAMPLE:alice@example.com"))
    assert by_role == Signer(ROLE, "AROAEXAMPLE", "alice@example.com")
    assert signer_of(event(PERSON, "AIDAEXAMPLE")) == Signer(PERSON, "AIDAEXAMPLE", None)
    entry = entry_of("arn:aws:iam::123456789012:role/aws-reserved/dev")
    assert entry is not None
    assert entry.principal == by_role.principal


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"requestContext": None},
        {"requestContext": {"accountId": "anonymous"}},
        {"requestContext": {"authorizer": None, "identity": None}},
        {"requestContext": {"authorizer": {"iam": {}}}},
        rest_event(None, None),
        rest_event(ASSUMED, None),
        url_event("arn:aws:iam::123456789012:root", "123456789012"),
        url_event("arn:aws:sts::123456789012:federated-user/alice", "123456789012:alice"),
        url_event("arn:aws:sts::123456789012:assumed-role/dev/", "AROAEXAMPLE"),
        url_event("arn:aws:sts::123456789012:assumed-role/dev/a/b", "AROAEXAMPLE"),
        url_event(f"{ASSUMED}\n", "AROAEXAMPLE"),
        url_event(ASSUMED, ""),
    ],
)
def test_nobody_has_signed_where_the_service_names_no_role_or_user(event: Any) -> None:  # noqa: ANN401 - any event
    assert signer_of(event) is None


def test_a_header_that_looks_like_the_services_word_is_none() -> None:
    event = {"headers": {"requestContext": ASSUMED}, "requestContext": {"http": {}}}
    assert signer_of(event) is None
