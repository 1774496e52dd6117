"""What a provider is told of the account behind a request."""

import pytest

from aigateway.caller.identity import Caller
from aigateway.relay.actor import Actor
from aigateway.settings import Settings

ALICE = Caller("u-alice", "alice", "k", "member", (), "alice@example.com")


def actor(**variables: str) -> Actor:
    return Actor(Settings.from_env({f"AIGW_{name}": text for name, text in variables.items()}))


def test_id_and_name_are_told_where_that_is_wanted() -> None:
    assert actor(SEND_ACTOR_HEADERS="true").headers(ALICE) == (
        (b"X-AI-Bridge-Actor-ID", b"u-alice"),
        (b"X-AI-Bridge-Actor-Metadata-Username", b"alice"),
    )
    assert actor().headers(ALICE) == ()


def test_the_address_is_told_only_by_a_name_that_was_chosen() -> None:
    made = actor(
        SEND_ACTOR_HEADERS="true",
        ACTOR_HEADER_ID="",
        ACTOR_HEADER_USERNAME="X_User",
        ACTOR_HEADER_EMAIL="X-Mail",
    )
    assert made.headers(ALICE) == ((b"X_User", b"alice"), (b"X-Mail", b"alice@example.com"))


def test_names_are_ours_whether_or_not_anything_is_told() -> None:
    assert actor(ACTOR_HEADER_ID="X_User").names == {
        b"x-user",
        b"x-ai-bridge-actor-metadata-username",
    }


@pytest.mark.parametrize(
    "address", [None, "", "a@b\r\nX-Other: 1", "a b@example.com", "ä@example.com", "x" * 257]
)
def test_an_attribute_that_is_no_plain_value_is_left_out(address: str | None) -> None:
    made = actor(SEND_ACTOR_HEADERS="true", ACTOR_HEADER_ID="", ACTOR_HEADER_EMAIL="X-Mail")
    caller = Caller("u-alice", "alice", "k", "member", (), address)
    assert [name for name, _ in made.headers(caller)] == [b"X-AI-Bridge-Actor-Metadata-Username"]
