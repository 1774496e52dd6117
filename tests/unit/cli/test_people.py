import pytest

from aigateway.caller.keys import digest, key_id_of
from tests.unit.cli.conftest import Aigw, Ledger


def test_a_user_and_a_key_are_made_where_nothing_was(aigw: Aigw) -> None:
    made = aigw("users", "create", "alice", "--role", "auditor")
    assert made.status == 0
    (user,) = aigw("users", "list", "--json").document
    assert (user["username"], user["role"], user["status"]) == ("alice", "auditor", "active")
    assert user["groups"] == user["iam_principals"] == []


def test_a_member_is_what_a_user_is_by_itself(aigw: Aigw, ledger: Ledger) -> None:
    assert aigw("users", "create", "bob", "--json").document["role"] == "member"


def test_the_secret_is_all_there_is_on_standard_output(aigw: Aigw, ledger: Ledger) -> None:
    aigw("users", "create", "alice")
    said = aigw("keys", "create", "--user", "alice", "--name", "ci")
    secret = said.out.strip()
    key_id = key_id_of(secret)
    assert key_id is not None
    assert secret not in said.err
    found = ledger.do(lambda store: store.key(key_id))
    assert found is not None
    key, user = found
    assert (key.sha256, key.name, user.username) == (digest(secret), "ci", "alice")
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days == 90


def test_a_key_as_json_has_its_secret_once(aigw: Aigw, ledger: Ledger) -> None:
    aigw("users", "create", "alice")
    made = aigw("keys", "create", "--user", "alice", "--days", "7", "--json").document
    (listed,) = aigw("keys", "list", "--json").document
    assert {**listed, "secret": made["secret"]} == made
    assert made["secret"] not in aigw("keys", "list").out
    assert made["prefix"] == f"aigw_{made['id']}"


def test_keys_are_listed_with_user_and_state_and_revoked(aigw: Aigw, ledger: Ledger) -> None:
    for name in ("alice", "bob"):
        aigw("users", "create", name)
        aigw("keys", "create", "--user", name)
    (alices,) = aigw("keys", "list", "--user", "alice", "--json").document
    assert aigw("keys", "revoke", alices["id"]).status == 0
    lines = aigw("keys", "list").out.splitlines()
    assert [line.split()[1] for line in lines] == ["ID", "alice", "bob"]
    assert ["revoked" in line for line in lines] == [False, True, False]


@pytest.mark.parametrize("form", ["{id}", "aigw_{id}", "{secret}"])
def test_a_key_is_revoked_by_id_prefix_or_itself_and_twice(
    aigw: Aigw, ledger: Ledger, form: str
) -> None:
    aigw("users", "create", "alice")
    made = aigw("keys", "create", "--user", "alice", "--json").document
    first = aigw("keys", "revoke", form.format(**made), "--json").document
    again = aigw("keys", "revoke", form.format(**made), "--json").document
    assert first == again
    assert "revoked_at" in first


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("users", "create", "Alice"), 2, "username: Expected lower-case"),
        (("users", "create", "me"), 2, "username: Expected lower-case"),
        (("users", "create", "bob", "--principal", "x", "--email", "y"), 2, "iam_principals: "),
        (("users", "change", "taken"), 2, "at least one of"),
        (("users", "change", "nobody", "--role", "admin"), 1, "no user nobody"),
        (("users", "delete", "nobody"), 1, "no user nobody"),
        (("users", "create", "alice", "--role", "king"), 2, "invalid choice"),
        (("users", "create", "taken"), 1, "is or was another user"),
        (("keys", "create", "--user", "nobody"), 1, "no user nobody"),
        (("keys", "create", "--user", "taken", "--days", "0"), 2, "365"),
        (("keys", "create", "--user", "taken", "--days", "366"), 2, "365"),
        (("keys", "create", "--user", "taken", "--name", "x" * 65), 2, "64"),
        (("keys", "create", "--user", "taken", "--name", "\x1b[0m"), 2, "printable"),
        (("keys", "create"), 2, "--user"),
        (("keys", "list", "--user", "nobody"), 1, "no user nobody"),
        (("keys", "revoke", "0123456789abcdef"), 1, "no key 0123456789abcdef"),
        (("keys", "revoke", "something"), 2, "key id"),
    ],
)
def test_a_mistake_is_one_line(
    aigw: Aigw, ledger: Ledger, arguments: tuple[str, ...], status: int, told: str
) -> None:
    aigw("users", "create", "taken")
    said = aigw(*arguments)
    assert (said.status, said.out) == (status, "")
    assert told in said.err
    assert said.err.startswith("aigw")
    assert said.err.count("\n") == 1


def test_a_user_is_changed_as_far_as_is_said(aigw: Aigw, ledger: Ledger) -> None:
    arn = "arn:aws:iam::123456789012:role/dev"
    aigw("users", "create", "alice", "--display-name", "Alice", "--group", "a", "--group", "b")
    said = aigw("users", "change", "alice", "--principal", arn, "--status", "suspended", "--json")
    assert said.document["iam_principals"] == [arn]
    assert (said.document["status"], said.document["groups"]) == ("suspended", ["a", "b"])
    aigw("users", "change", "alice", "--display-name", "", "--group", "")
    (user,) = aigw("users", "list", "--json").document
    assert "name" not in user
    assert (user["groups"], user["iam_principals"]) == ([], [arn])


def test_a_deleted_user_keeps_no_key(aigw: Aigw, ledger: Ledger) -> None:
    aigw("users", "create", "alice")
    made = aigw("keys", "create", "--user", "alice", "--json").document
    assert "keep the name" in aigw("users", "delete", "alice").out
    assert aigw("users", "list", "--json").document == []
    found = ledger.do(lambda store: store.key(made["id"]))
    assert found is not None
    assert found[0].revoked_at is not None


def test_the_last_admin_stays_one(aigw: Aigw, ledger: Ledger) -> None:
    aigw("users", "create", "root", "--role", "admin")
    for arguments in (("change", "root", "--role", "member"), ("delete", "root")):
        said = aigw("users", *arguments)
        assert (said.status, "last active admin" in said.err) == (1, True)


def test_an_empty_list_says_what_to_do(aigw: Aigw, ledger: Ledger) -> None:
    assert "aigw users create" in aigw("users", "list").err
    assert aigw("keys", "list", "--json").document == []
