"""Providers as an admin configures them: rows, keys, audit and reload in step."""

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast, final
from uuid import UUID

import pytest

from aigateway.errors import Conflict, SecretUnavailable
from aigateway.ledger.sqlite import SqliteStore
from aigateway.ledger.store import AuditEntry, Published, Store
from aigateway.pool.outcomes import Outcome
from aigateway.pool.providers import ProviderRow, SecretRef
from aigateway.pool.secrets import AwsSecrets, FileSecrets, WritableSecrets
from aigateway.pool.snapshot import snapshot_document
from aigateway.sessions.assembly import build
from aigateway.settings import Settings
from tests.breaking import Breaking
from tests.builders import at
from tests.clocks import HeldClock
from tests.unit.sessions.conftest import Answer, Api
from tests.vaults import HeldVault

PLANTED = "sk-ant-planted-0123456789"
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:own-AbCdEf"
ADDRESSES = {"inner.example": "10.1.2.3", "meta.example": "169.254.169.254"}


def resolve(host: str, _port: int) -> list[str]:
    if host == "nowhere.example":
        raise socket.gaierror
    return ["93.184.215.14", ADDRESSES.get(host, "93.184.215.15")]


@final
@dataclass(slots=True)
class Desk:
    """The API with its key store, and what its reload was asked."""

    api: Api
    secrets: WritableSecrets
    clock: HeldClock
    kicks: list[str] = field(default_factory=list)
    kick_fault: Exception | None = None

    async def kick(self) -> None:
        self.kicks.append("kick")
        if self.kick_fault is not None:
            raise self.kick_fault

    def call(
        self, method: str, path: str = "", document: object = None, user: str | None = "root"
    ) -> Answer:
        return self.configure(method, f"/providers{path}", document, user)

    def configure(
        self, method: str, path: str, document: object = None, user: str | None = "root"
    ) -> Answer:
        body = document if isinstance(document, str) else json.dumps(document)
        headers = {} if user is None else {"Coder-Session-Token": self.api.secrets[user]}
        event = {
            "path": f"/api/v2/ai{path}",
            "httpMethod": method,
            "headers": headers,
            "body": None if document is None else body,
            "requestContext": {},
        }
        answer = self.api.handler(event, None)
        text = answer["body"]
        named = {name.lower(): ", ".join(v) for name, v in answer["multiValueHeaders"].items()}
        return Answer(answer["statusCode"], json.loads(text) if text else None, named)

    def add(self, name: str = "mine", **members: object) -> dict[str, Any]:
        answer = self.call("POST", "", {"name": name, "type": "anthropic", **members})
        assert answer.status == 201, answer.document
        document: dict[str, Any] = answer.document
        return document

    def key(self, provider: str, entry: Mapping[str, Any]) -> str:
        ref = SecretRef(provider, entry["id"], entry["masked"])
        return asyncio.run(self.secrets.key(ref))

    def entries(self) -> tuple[AuditEntry, ...]:
        return self.api.do(self.api.store.audited(at(-9), at(9_999)))


def a_desk(store: SqliteStore, secrets: WritableSecrets, clock: HeldClock,
           seen: Store | None = None, **settings: Any) -> Desk:  # fmt: skip # noqa: ANN401 - fields
    desk = Desk(cast(Api, None), secrets, clock)
    handler = build(
        Settings(**settings),
        seen or store,
        clock,
        secrets=secrets,
        kick=desk.kick,
        resolve=resolve,
    )
    handler.start()
    desk.api = Api(store, handler)
    for username, role in (("root", "admin"), ("auditor", "auditor"), ("alice", "member")):
        desk.api.add_user(username, role)  # type: ignore[arg-type]  # roles
    return desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = a_desk(SqliteStore(None), FileSecrets(tmp_path / "secrets.json"), HeldClock())
    yield made
    made.api.handler.stop()


def test_a_provider_is_added_and_read_by_name_and_by_id(desk: Desk) -> None:
    made = desk.add(
        display_name="Claude",
        icon="/icons/claude.svg",
        base_url="https://h.example/x",
        api_keys=[PLANTED, {"api_key": "sk-ant-other-9876543210"}],
        inject_usage=False,
        first_byte_timeout_s=30,
    )
    assert UUID(made["id"]).version == 4
    assert made | {"id": "", "api_keys": []} == {
        "id": "", "name": "mine", "type": "anthropic", "display_name": "Claude",
        "icon": "/icons/claude.svg", "enabled": True, "base_url": "https://h.example/x",
        "api_keys": [], "api_key_refs": [], "settings": None, "inject_usage": False,
        "first_byte_timeout_s": 30, "idle_timeout_s": 300.0, "models_allow": [],
        "circuit_breaker": None, "extra_passthrough": [],
        "status": {"state": "enabled", "warnings": []},
        "created_at": "2026-11-24T12:00:00.000000Z", "updated_at": "2026-11-24T12:00:00.000000Z",
    }  # fmt: skip
    assert [key["masked"] for key in made["api_keys"]] == ["sk-a...6789", "sk-a...3210"]
    assert {key["created_at"] for key in made["api_keys"]} == {made["created_at"]}
    for path in ("/mine", f"/{made['id']}"):
        assert desk.call("GET", path).document == made
    assert desk.call("GET").document == [made]
    assert desk.key("mine", made["api_keys"][0]) == PLANTED
    assert desk.kicks == ["kick"]


def test_members_without_a_value_have_their_default(desk: Desk) -> None:
    made = desk.add()
    assert (made["display_name"], made["base_url"]) == ("mine", "https://api.anthropic.com")
    assert (made["first_byte_timeout_s"], made["inject_usage"]) == (600.0, True)


@pytest.mark.parametrize("user", ["auditor", "alice"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("GET", "/mine"), ("PATCH", "/mine"), ("DELETE", "/mine"),
     ("POST", "/mine/test")],
)  # fmt: skip
def test_only_an_admin_may_see_or_change_them(
    desk: Desk, method: str, path: str, user: str
) -> None:
    assert desk.call(method, path, {}, user).status == 403
    assert desk.call(method, path, {}, None).status == 401


def test_all_faults_are_named_at_once_and_nothing_is_stored(desk: Desk) -> None:
    answer = desk.call("POST", "", {
        "name": "api", "type": "unheard-of", "base_url": "http://h.example", "enabled": "yes",
        "api_keys": [PLANTED, PLANTED], "idle_timeout_s": 0, "display_name": "x" * 129,
        "icon": 7, "colour": "red", "id": "1", "api_key_refs": ["arn"],
    })  # fmt: skip
    assert (answer.status, set(answer.faults)) == (400, {
        "name", "type", "base_url", "enabled", "api_keys", "idle_timeout_s", "display_name",
        "icon", "colour", "id", "api_key_refs",
    })  # fmt: skip
    assert answer.headers["x-ai-gateway-error"] == "invalid_body"
    assert PLANTED not in json.dumps(answer.document)
    assert desk.call("GET").document == []
    assert (desk.entries(), desk.kicks) == ((), [])


@pytest.mark.parametrize(
    "keys",
    ["k", {}, 0, "", [""], [" k"], ["k\n"], ["k"] * 2, ["1", "2", "3", "4", "5", "6"],
     [{"id": "x"}], [7],
     [{"id": "x", "api_key": "k"}], [{"api_key": "k", "colour": "red"}], [{}], ["x" * 5000]],
)  # fmt: skip
def test_keys_that_are_none_are_refused(desk: Desk, keys: object) -> None:
    body = {"name": "mine", "type": "anthropic", "api_keys": keys}
    assert set(desk.call("POST", "", body).faults) == {"api_keys"}


def test_a_name_is_taken_once_until_its_provider_is_deleted(desk: Desk) -> None:
    first = desk.add(api_keys=[PLANTED])
    taken = desk.call("POST", "", {"name": "mine", "type": "openai"})
    assert (taken.status, taken.headers["x-ai-gateway-error"]) == (409, "name_taken")
    assert desk.call("DELETE", "/mine").status == 204
    assert desk.call("GET").document == []
    assert [desk.call("GET", p).status for p in ("/mine", f"/{first['id']}")] == [404, 404]
    with pytest.raises(SecretUnavailable):
        desk.key("mine", first["api_keys"][0])
    second = desk.add(type="openai")
    assert (second["id"] != first["id"], second["type"], second["api_keys"]) == (True, "openai", [])


def test_what_is_recorded_is_still_found_by_the_name_of_a_deleted_provider(desk: Desk) -> None:
    desk.add("retired")
    desk.call("DELETE", "/retired")
    assert desk.api.get("sessions", "auditor", provider_name="retired").status == 200
    assert desk.api.get("sessions", "auditor", provider_name="never").status == 400


def test_keys_are_kept_by_id_added_in_clear_and_deleted_where_they_are_missing(desk: Desk) -> None:
    one, two = desk.add(api_keys=[PLANTED, "sk-two"])["api_keys"]
    desk.clock.advance(60)
    changed = desk.call(
        "PATCH", "/mine", {"api_keys": [{"api_key": "sk-three"}, {"id": two["id"]}]}
    )
    three, kept = changed.document["api_keys"]
    assert (kept, three["created_at"]) == (two, "2026-11-24T12:01:00.000000Z")
    assert [desk.key("mine", key) for key in (three, kept)] == ["sk-three", "sk-two"]
    with pytest.raises(SecretUnavailable):
        desk.key("mine", one)
    as_shown = desk.call("PATCH", "/mine", {"api_keys": [kept, three]}).document["api_keys"]
    assert as_shown == [kept, three]
    assert desk.call("PATCH", "/mine", {"enabled": False}).document["api_keys"] == as_shown
    assert desk.call("PATCH", "/mine", {"api_keys": []}).document["api_keys"] == []


def test_a_key_that_is_kept_cannot_be_added_again(desk: Desk) -> None:
    (one,) = desk.add(api_keys=[PLANTED])["api_keys"]
    answer = desk.call("PATCH", "/mine", {"api_keys": [{"id": one["id"]}, PLANTED]})
    assert answer.faults == {"api_keys": "a key is given twice."}
    assert desk.call("PATCH", "/mine", {"api_keys": [one, one]}).status == 400
    assert desk.call("PATCH", "/mine", {"api_keys": [PLANTED]}).status == 200


def test_name_and_type_never_change_and_a_patch_says_something(desk: Desk) -> None:
    desk.add()
    answer = desk.call("PATCH", "/mine", {"name": "other", "type": "openai"})
    assert set(answer.faults) == {"name", "type"}
    assert desk.call("PATCH", "/mine", {}).status == 400
    assert desk.call("PATCH", "/mine", {"name": "mine"}).status == 200
    assert (len(desk.entries()), desk.kicks) == (1, ["kick"])


def test_a_member_that_is_taken_away_has_its_default_again(desk: Desk) -> None:
    desk.add(base_url="https://h.example", display_name="x", idle_timeout_s=5)
    body = {"base_url": None, "display_name": None, "idle_timeout_s": None}
    changed = desk.call("PATCH", "/mine", body).document
    assert (changed["base_url"], changed["display_name"], changed["idle_timeout_s"]) == (
        "https://api.anthropic.com", "mine", 300.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nobody", 404), (f"/{UUID(int=7)}", 404), ("/No", 400), ("/a_b", 400), ("/%2e%2e", 400)],
)
def test_a_provider_that_is_not_there_is_404_and_no_name_400(
    desk: Desk, path: str, status: int
) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        assert desk.call(method, path, {"enabled": True}).status == status
    assert desk.call("POST", f"{path}/test").status == status


def test_parameters_are_refused(desk: Desk) -> None:
    answer = desk.api.get("/api/v2/ai/providers", "root", limit="1")
    assert set(answer.faults) == {"limit"}


@pytest.mark.parametrize("host", ["inner.example", "meta.example"])
def test_a_name_that_resolves_to_a_private_address_is_refused(desk: Desk, host: str) -> None:
    body = {"name": "mine", "type": "anthropic", "base_url": f"https://{host}"}
    assert set(desk.call("POST", "", body).faults) == {"base_url"}
    desk.add(base_url="https://outer.example")
    answer = desk.call("PATCH", "/mine", {"base_url": f"https://{host}"})
    assert set(answer.faults) == {"base_url"}


def test_a_private_network_may_be_allowed_and_an_unknown_name_is_for_later(tmp_path: Path) -> None:
    desk = a_desk(
        SqliteStore(None),
        FileSecrets(tmp_path / "secrets.json"),
        HeldClock(),
        allowed_private_cidrs=(ip_network("10.1.0.0/16"),),
    )
    assert desk.add("inner", base_url="https://inner.example")["status"]["state"] == "enabled"
    assert desk.add("later", base_url="https://nowhere.example")["status"]["state"] == "enabled"
    desk.api.handler.stop()


def test_what_was_wrong_before_hinders_no_other_change(desk: Desk) -> None:
    broken = {"name": "old", "type": "anthropic", "base_url": "https://10.0.0.1"}
    desk.api.do(desk.api.store.put_provider(ProviderRow("old", broken, 1), None))
    shown = desk.call("GET", "/old").document
    assert shown["status"]["state"] == "error"
    assert shown["status"]["reason"].startswith("base_url: ")
    off = desk.call("PATCH", "/old", {"enabled": False}).document
    assert (off["status"]["state"], off["id"]) == ("disabled", shown["id"])
    assert desk.call("PATCH", "/old", {"base_url": "https://10.0.0.2"}).status == 400


def test_the_status_is_the_published_one_until_the_row_changes(desk: Desk) -> None:
    desk.add()
    (row,) = desk.api.do(desk.api.store.provider_rows())
    outcome = Outcome("error", "api_keys: unreadable", ("w",))
    text, digest = snapshot_document([row], {"mine": outcome})
    desk.api.do(desk.api.store.publish(Published(1, digest, text), None))
    assert desk.call("GET", "/mine").document["status"] == {
        "state": "error", "reason": "api_keys: unreadable", "warnings": ["w"],
    }  # fmt: skip
    changed = desk.call("PATCH", "/mine", {"display_name": "x"}).document
    assert changed["status"] == {"state": "enabled", "warnings": []}


def test_a_damaged_snapshot_tells_no_status(desk: Desk) -> None:
    desk.add()
    desk.api.do(desk.api.store.publish(Published(1, "d", b"[1,"), None))
    assert desk.call("GET", "/mine").document["status"] == {"state": "enabled", "warnings": []}


def test_every_change_is_audited_with_masks_and_never_with_a_key(desk: Desk) -> None:
    (one,) = desk.add(api_keys=[PLANTED])["api_keys"]
    desk.clock.advance(1)
    changed = desk.call("PATCH", "/mine", {"enabled": False, "api_keys": ["sk-ant-planted-two"]})
    (two,) = changed.document["api_keys"]
    desk.clock.advance(1)
    desk.call("DELETE", "/mine")
    shown = [{"id": key["id"], "masked": key["masked"]} for key in (one, two)]
    entries = desk.entries()
    assert [(e.action, e.actor_id, e.target) for e in entries] == [
        (f"provider.{verb}", "u-root", "mine") for verb in ("added", "changed", "deleted")
    ]
    added, edited, deleted = (entry.changes for entry in entries)
    assert (added["keys_added"], added["keys_removed"]) == ([shown[0]], [])
    assert added["members"] == {"name": [None, "mine"], "type": [None, "anthropic"]}
    assert edited == {
        "keys_added": [shown[1]], "keys_removed": [shown[0]],
        "members": {"enabled": [None, False]},
    }  # fmt: skip
    assert deleted["keys_removed"] == [shown[1]]
    assert "planted" not in json.dumps([entry.changes for entry in entries])


def test_a_reload_that_cannot_be_asked_for_fails_no_call(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.kick_fault = RuntimeError("no such function")
    assert desk.add()["name"] == "mine"
    assert "the reload could not be asked for" in caplog.text


def test_a_key_that_cannot_be_deleted_fails_no_call_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vault = HeldVault()
    desk = a_desk(SqliteStore(None), AwsSecrets("p/", vault, HeldClock()), HeldClock())
    (key,) = desk.add(api_keys=[PLANTED])["api_keys"]
    vault.fault, vault.failing = SecretUnavailable("denied"), {"remove"}
    assert desk.call("PATCH", "/mine", {"api_keys": []}).status == 200
    assert f"the key {key['id']} of provider mine is no longer used" in caplog.text
    assert PLANTED not in caplog.text
    desk.api.handler.stop()


def test_keys_that_cannot_be_stored_leave_no_row(caplog: pytest.LogCaptureFixture) -> None:
    vault = HeldVault()
    desk = a_desk(SqliteStore(None), AwsSecrets("p/", vault, HeldClock()), HeldClock())
    vault.fault = SecretUnavailable("no answer")
    body = {"name": "mine", "type": "anthropic", "api_keys": [PLANTED]}
    answer = desk.call("POST", "", body)
    assert (answer.status, answer.document["message"]) == (503, "The store cannot be reached.")
    assert desk.api.do(desk.api.store.provider_rows()) == ()
    assert PLANTED not in caplog.text
    desk.api.handler.stop()


def test_a_secret_of_the_operators_own_is_taken_where_it_can_be_read(desk: Desk) -> None:
    body = {"name": "mine", "type": "anthropic", "api_key_refs": [ARN]}
    answer = desk.call("POST", "", body)
    assert answer.faults == {"api_key_refs": "this deployment keeps its keys in a file."}
    vault = HeldVault(**{ARN: "sk-own"})
    deployed = a_desk(SqliteStore(None), AwsSecrets("p/", vault, HeldClock()), HeldClock())
    assert deployed.add(api_key_refs=[ARN])["api_key_refs"] == [ARN]
    keys = ["k1", "k2", "k3", "k4", "k5"]
    assert set(deployed.call("PATCH", "/mine", {"api_keys": keys}).faults) == {"api_key_refs"}
    assert deployed.call("DELETE", "/mine").status == 204
    assert vault.given[ARN] == "sk-own"
    deployed.api.handler.stop()


@final
class Overtaking:
    """A store in which somebody else changes a provider before a change is stored."""

    def __init__(self, store: SqliteStore, times: int) -> None:
        self._store = store
        self.times = times

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - verbs of a store
        return getattr(self._store, name)

    async def put_provider(
        self, row: ProviderRow, previous: int | None, entry: AuditEntry | None = None
    ) -> None:
        if previous is not None and self.times:
            self.times -= 1
            (now,) = await self._store.provider_rows()
            other = {**now.document, "icon": f"icon-{self.times}"}
            await self._store.put_provider(
                ProviderRow(row.name, other, now.version + 1), now.version
            )
        await self._store.put_provider(row, previous, entry)


@pytest.mark.parametrize("times", [1, 2])
def test_two_changes_at_once_are_both_made(tmp_path: Path, times: int) -> None:
    store = SqliteStore(None)
    overtaken = Overtaking(store, times)
    secrets = FileSecrets(tmp_path / "secrets.json")
    desk = a_desk(store, secrets, HeldClock(), cast(Store, overtaken))
    desk.add()
    changed = desk.call("PATCH", "/mine", {"display_name": "x"}).document
    assert (changed["icon"], changed["display_name"]) == ("icon-0", "x")
    desk.api.handler.stop()


@pytest.mark.parametrize(
    ("body", "times"), [({"display_name": "x"}, 3), ({"api_keys": [PLANTED]}, 1)]
)
def test_where_one_would_be_lost_it_is_refused_and_its_keys_are_gone(
    tmp_path: Path, body: dict[str, object], times: int
) -> None:
    store = SqliteStore(None)
    overtaken = Overtaking(store, times)
    file = tmp_path / "secrets.json"
    desk = a_desk(store, FileSecrets(file), HeldClock(), cast(Store, overtaken))
    desk.add()
    answer = desk.call("PATCH", "/mine", body)
    assert (answer.status, answer.headers["x-ai-gateway-error"]) == (409, "conflict")
    assert PLANTED not in file.read_text()
    assert desk.kicks == ["kick"]
    desk.api.handler.stop()


def test_of_two_that_add_one_name_at_once_one_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(None)
    broken = Breaking(store, "put_provider", Conflict("taken"))
    file = tmp_path / "secrets.json"
    desk = a_desk(store, FileSecrets(file), HeldClock(), cast(Store, broken))
    body = {"name": "mine", "type": "anthropic", "api_keys": [PLANTED]}
    assert desk.call("POST", "", body).status == 409
    assert PLANTED not in file.read_text()
    desk.api.handler.stop()
