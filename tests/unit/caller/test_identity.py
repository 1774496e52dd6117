"""Which header carries the gateway key, and whose credential goes on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from aigateway.caller.identity import (
    Caller,
    Presented,
    bearer,
    caller_of,
    presented,
    signed_caller,
)
from aigateway.caller.keys import key_from
from aigateway.caller.principals import Signer
from aigateway.errors import InvalidKey, MissingKey
from aigateway.wire.messages import Headers
from tests.builders import T0, a_user

OURS = "aigw_0123456789abcdef_" + "A" * 43
OTHER = "aigw_fedcba9876543210_" + "B" * 43
FOREIGN = "sk-ant-invented-0123456789"

KEY = ("X-Api-Key", FOREIGN)
TOKEN = ("Authorization", f"Bearer {FOREIGN}")
OWN_KEY = (b"x-api-key", FOREIGN.encode())
OWN_TOKEN = (b"authorization", f"Bearer {FOREIGN}".encode())
Pairs = list[tuple[str, str]]


def headers(pairs: Pairs) -> Headers:
    return tuple((name.encode(), content.encode("latin-1")) for name, content in pairs)


CENTRAL: list[Pairs] = [
    [("X-Api-Key", OURS)],
    [("x-api-key", f"  {OURS} ")],
    [("Authorization", f"Bearer {OURS}")],
    [("authorization", f"bEARER   {OURS}")],
    [("X-AI-Gateway-Token", OURS)],
    [("X-Coder-AI-Governance-Token", OURS)],
    [("X-AI-Gateway-Token", " "), ("X-Api-Key", OURS)],
    [("Authorization", f"Bearer {OURS}"), ("X-Api-Key", OTHER)],
    [("Authorization", f"Bearer {OURS}"), ("X-Api-Key", OURS)],
    [("X-AI-Gateway-Token", OURS), ("Authorization", f"Bearer {OTHER}")],
    [("X-AI-Gateway-Token", OURS), ("X-Api-Key", OTHER)],
    [("X-AI-Gateway-Token", OURS), ("Authorization", f"Basic {OTHER} x"), ("X-Api-Key", OURS)],
    [("X-Api-Key", OURS), ("Authorization", OTHER)],
    [("X-Api-Key", OURS), ("Coder-Session-Token", OTHER)],
]


@pytest.mark.parametrize("pairs", CENTRAL)
def test_a_gateway_key_alone_means_the_deployments_credential(pairs: Pairs) -> None:
    assert presented(headers(pairs)) == Presented(OURS, None)


BYOK: list[tuple[Pairs, tuple[bytes, bytes]]] = [
    ([("X-AI-Gateway-Token", OURS), TOKEN], OWN_TOKEN),
    ([("X-AI-Gateway-Token", OURS), KEY], OWN_KEY),
    ([("X-Coder-AI-Governance-Token", OURS), KEY], OWN_KEY),
    ([("X-AI-Gateway-Token", OURS), KEY, ("Authorization", f"Bearer {OTHER}")], OWN_KEY),
    ([("Authorization", f"Bearer {OURS}"), KEY], OWN_KEY),
    ([("X-Api-Key", OURS), TOKEN], OWN_TOKEN),
    ([("X-Api-Key", OURS), ("Authorization", "Basic aW52ZW50ZWQ=")],
     (b"authorization", b"Basic aW52ZW50ZWQ=")),
]  # fmt: skip


@pytest.mark.parametrize(("pairs", "own"), BYOK)
def test_a_foreign_value_beside_a_gateway_key_is_the_callers_own(
    pairs: Pairs, own: tuple[bytes, bytes]
) -> None:
    shown = presented(headers(pairs))
    assert (shown.secret, shown.own, shown.spare) == (OURS, own, None)
    assert shown.own_hint in ("sk-a...6789", "Ba...Q=")


def test_of_two_own_credentials_the_provider_gets_the_one_that_it_reads() -> None:
    shown = presented(headers([("X-AI-Gateway-Token", OURS), TOKEN, KEY]))
    assert shown.for_dialect(anthropic=True).own == OWN_KEY
    assert shown.for_dialect(anthropic=False).own == OWN_TOKEN
    only = presented(headers([("X-AI-Gateway-Token", OURS), TOKEN]))
    assert only.for_dialect(anthropic=True).own == OWN_TOKEN


def test_a_signature_for_aws_is_nobodys_provider_key() -> None:
    signature = ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/us-east-1")
    shown = presented(headers([signature, ("X-Api-Key", OURS)]))
    assert (shown.secret, shown.own, shown.spare) == (OURS, None, None)
    own = presented(headers([signature, ("X-AI-Gateway-Token", OURS), KEY]))
    assert (own.secret, own.own, own.spare) == (OURS, OWN_KEY, None)


ROLE = "arn:aws:iam::123456789012:role/dev"
SIGNER = Signer(ROLE, "AROAEXAMPLE", "carol@example.com")
SIGNATURE = ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/us-east-1")
SIGNED: list[tuple[Pairs, Presented]] = [
    ([], Presented(SIGNER, None)),
    ([SIGNATURE], Presented(SIGNER, None)),
    ([("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=AKID")], Presented(SIGNER, None)),
    ([SIGNATURE, KEY], Presented(SIGNER, OWN_KEY)),
    ([SIGNATURE, ("X-Api-Key", OURS)], Presented(OURS, None)),
    ([SIGNATURE, ("X-AI-Gateway-Token", OURS), KEY], Presented(OURS, OWN_KEY)),
    ([SIGNATURE, ("X-AI-Gateway-Token", FOREIGN)], Presented(FOREIGN, None)),
]


@pytest.mark.parametrize(("pairs", "expected"), SIGNED)
def test_a_signature_counts_where_there_is_no_gateway_key(
    pairs: Pairs, expected: Presented
) -> None:
    assert presented(headers(pairs), SIGNER) == expected


def test_the_user_of_a_principal_makes_the_caller() -> None:
    user = replace(a_user(role="auditor"), groups=("g1",), iam_principals=(ROLE,))
    expected = Caller("u-alice", "alice", "iam:AROAEXAMPLE", "auditor", ("g1",))
    assert signed_caller(SIGNER, user) == expected


def test_the_session_is_the_name_only_where_the_entry_says_so() -> None:
    entries = ("arn:aws:iam::123456789012:role/ops", f"{ROLE} session_name=username")
    user = replace(a_user(), iam_principals=entries)
    named = signed_caller(SIGNER, user)
    assert (named.initiator_id, named.username) == ("u-alice", "alice")
    assert named.recorded_name == "carol@example.com"
    other = Signer("arn:aws:iam::123456789012:role/ops", "AROAOTHER", "carol")
    assert signed_caller(other, user).recorded_name == "alice"


def test_every_reason_to_refuse_a_signature_gives_the_same_answer() -> None:
    user = replace(a_user(), iam_principals=(ROLE,))
    cases = [
        None,
        replace(user, status="suspended"),
        replace(user, status="deleted"),
        replace(user, iam_principals=()),
    ]
    texts = set()
    for case in cases:
        with pytest.raises(InvalidKey) as raised:
            signed_caller(SIGNER, case)
        texts.add(str(raised.value))
    assert len(texts) == 1


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("Authorization", " "), ("X-Api-Key", "")],
        [("Authorization", "Bearer")],
        [("Authorization", f"Bearer {OURS} {OURS}")],
        [("Authorization", f"Basic {OURS}")],
        [("Authorization", OURS)],
        [("Coder-Session-Token", OURS)],
        [("Api-Key", OURS)],
        [("Cookie", OURS)],
    ],
)
def test_without_a_credential_of_a_known_form_the_key_is_missing(pairs: Pairs) -> None:
    with pytest.raises(MissingKey):
        presented(headers(pairs))


@pytest.mark.parametrize("pairs", [[TOKEN], [KEY], [TOKEN, KEY], [TOKEN, ("X-Api-Key", "other")]])
def test_foreign_values_alone_are_one_wrong_key_and_nobodys_own(pairs: Pairs) -> None:
    assert presented(headers(pairs)).own is None
    assert presented(headers(pairs)).secret == FOREIGN


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer t", "t"),
        ("BEARER t", "t"),
        ("Bearer", None),
        ("Bearer a b", None),
        ("Basic t", None),
        ("t", None),
        ("", None),
    ],
)
def test_a_bearer_credential_has_exactly_two_fields(value: str, token: str | None) -> None:
    assert bearer(value) == token


def test_the_key_and_its_user_make_the_caller() -> None:
    user = replace(a_user(role="auditor"), groups=("g1",))
    found = (key_from(OURS, user.id, "laptop", T0, None), user)
    expected = Caller("u-alice", "alice", "0123456789abcdef", "auditor", ("g1",))
    assert caller_of(OURS, found, T0) == expected


def test_every_reason_to_refuse_a_key_gives_the_same_answer() -> None:
    user = a_user()
    key = key_from(OURS, user.id, "laptop", T0, T0 + timedelta(days=1))
    cases = [
        (OURS, None),
        (OURS[:-1] + "B", (key, user)),
        (OURS, (replace(key, expires_at=T0), user)),
        (OURS, (replace(key, revoked_at=T0), user)),
        (OURS, (key, replace(user, status="suspended"))),
        (OURS, (key, replace(user, status="deleted"))),
    ]
    texts = set()
    for secret, found in cases:
        with pytest.raises(InvalidKey) as raised:
            caller_of(secret, found, T0)
        texts.add(str(raised.value))
    assert texts == {"the gateway key is unknown, expired or revoked"}


@pytest.mark.parametrize("given", [(OWN_KEY, OWN_TOKEN), (OWN_TOKEN, OWN_KEY)])
@pytest.mark.parametrize("anthropic", [True, False])
def test_of_two_own_credentials_the_one_that_the_provider_reads_goes_first(
    anthropic: bool, given: tuple[tuple[bytes, bytes], tuple[bytes, bytes]]
) -> None:
    both = Presented(OURS, *given).for_dialect(anthropic=anthropic)
    first, second = (OWN_KEY, OWN_TOKEN) if anthropic else (OWN_TOKEN, OWN_KEY)
    assert both == Presented(OURS, first, second)
