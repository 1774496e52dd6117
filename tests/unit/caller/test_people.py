"""Names of users."""

import pytest

from aigateway.caller.people import ROLES, is_username


@pytest.mark.parametrize("name", ["a", "alice", "alice-2", "0", "a" * 64])
def test_usernames(name: str) -> None:
    assert is_username(name)


@pytest.mark.parametrize("name", ["", "Alice", "a_b", "-a", "a-", "a--b", "a b", "a\n", "a" * 65])
def test_any_other_text_is_no_username(name: str) -> None:
    assert not is_username(name)


def test_roles_are_four() -> None:
    assert ROLES == ("admin", "auditor", "member", "metrics")
