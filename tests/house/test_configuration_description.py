"""The served description of the configuration API says what its handlers do and take."""

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from aigateway import errors
from aigateway.ledger.erase import erase_due
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.drafts import MEMBERS
from aigateway.pool.providers import PROVIDER_TYPES, ProviderRow
from aigateway.pool.secrets import FileSecrets
from aigateway.sessions import bodies, calls, configuring, providers, query
from tests.builders import at
from tests.clocks import HeldClock
from tests.house.test_description import CONFIGURATION, FOLDER, Seen, differences
from tests.unit.sessions.test_providers import Desk, a_desk
from tests.unit.test_outbound import answering, peer

SCHEMAS = CONFIGURATION["components"]["schemas"]
SENT_BY_CALLERS = {"NewProvider", "ProviderChange", "NewUser", "UserChange", "NewKey"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    secrets = FileSecrets(tmp_path / "secrets.json")
    loopback = (ip_network("127.0.0.0/8"),)
    made = a_desk(SqliteStore(None), secrets, HeldClock(), allowed_private_cidrs=loopback)
    yield made
    made.api.handler.stop()


def described(path: str, method: str, status: str) -> Mapping[str, Any]:
    response: Mapping[str, Any] = CONFIGURATION["paths"][path][method]["responses"][status]
    schema: Mapping[str, Any] = response["content"]["application/json"]["schema"]
    return schema


def test_every_answer_is_as_described_and_nothing_described_is_never_sent(desk: Desk) -> None:
    seen: Seen = set()

    def compare(
        method: str, path: str, status: int, asked: str, sent: object = None
    ) -> Mapping[str, Any]:
        answer = desk.configure(method, asked, sent)
        assert answer.status == status, answer.document
        schema = described(path, method.lower(), str(status))
        assert list(differences(answer.document, schema, seen, asked, CONFIGURATION)) == []
        document: Mapping[str, Any] = answer.document
        return document

    broken = {"name": "broken", "type": "anthropic", "base_url": "https://10.0.0.1"}
    desk.api.do(desk.api.store.put_provider(ProviderRow("broken", broken, 1), None))
    with peer(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", [])) as port:
        wanted = {"name": "mine", "type": "anthropic", "api_keys": ["sk-one"]}
        body = wanted | {"base_url": f"http://127.0.0.1:{port}"}
        region = {"_type": "bedrock", "_version": 1, "region": "us-east-1"}
        compare(
            "POST",
            "/providers",
            201,
            "/providers",
            {"name": "aws", "type": "bedrock", "settings": region},
        )
        one = "/providers/{id_or_name}"
        compare("POST", "/providers", 201, "/providers", body)
        compare("GET", "/providers", 200, "/providers")
        compare("GET", one, 200, "/providers/broken")
        compare("PATCH", one, 200, "/providers/mine", {"circuit_breaker": {}})
        compare("POST", f"{one}/test", 200, "/providers/mine/test", {})
        compare("POST", f"{one}/test", 200, "/providers/mine/test", {})
    person = {"username": "carol", "name": "Carol", "email": "carol@example.com"}
    compare("POST", "/users", 201, "/users", person)
    compare("GET", "/users", 200, "/users")
    compare("PATCH", "/users/{user}", 200, "/users/carol", {"groups": ["a"]})
    keys = "/users/{user}/keys"
    key = compare("POST", keys, 201, "/users/carol/keys", {"name": "laptop"})
    desk.api.do(desk.api.store.key_used(key["id"], at(1)))
    assert desk.configure("DELETE", f"/users/carol/keys/{key['id']}").status == 204
    compare("GET", keys, 200, "/users/carol/keys")
    data = "/users/{user}/data"
    compare("DELETE", data, 202, "/users/carol/data")
    desk.clock.advance(31 * 60)
    desk.api.do(erase_due(desk.api.store, desk.clock))
    compare("GET", data, 200, "/users/carol/data")
    rule = {"user": "carol", "providers": ["*"], "models": ["*"]}
    compare("PUT", "/access", 200, "/access", {"version": 0, "rules": [rule]})
    rules = [rule, {"group": "a", "providers": ["*"], "models": ["*"]}]
    compare("PUT", "/access", 200, "/access", {"version": 1, "rules": rules})
    refused = desk.call("PATCH", "/mine", {"x": 1})
    error = {"$ref": "#/components/schemas/Error"}
    assert list(differences(refused.document, error, seen, "", CONFIGURATION)) == []
    members = {
        (name, member)
        for name, schema in SCHEMAS.items()
        if name not in SENT_BY_CALLERS
        for member in schema["properties"]
    }
    assert members == seen


def test_no_member_is_described_twice() -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), names
        return dict(pairs)

    for file in ("configuration.json", "openapi.json"):
        json.loads((FOLDER / file).read_text(), object_pairs_hook=once)


def test_the_members_that_are_taken_are_described() -> None:
    assert SCHEMAS["NewProvider"]["properties"].keys() == MEMBERS
    assert SCHEMAS["ProviderChange"]["properties"].keys() == MEMBERS - {"name", "type"}
    assert SCHEMAS["NewProvider"]["properties"]["type"]["enum"] == list(PROVIDER_TYPES)


def test_every_error_of_the_api_is_described() -> None:
    listed = {
        int(status)
        for path in CONFIGURATION["paths"].values()
        for operation in path.values()
        for status in operation["responses"]
        if not status.startswith("2")
    }
    raised: list[type[errors.Answerable]] = [
        query.QueryInvalid, bodies.BodyInvalid, providers.NoProviderName, errors.InvalidJson,
        errors.RequestTooLarge, errors.MissingKey, errors.NotAllowed, errors.InternalError,
        errors.AuthUnavailable, calls.NothingFound, configuring.NameTaken,
        configuring.ChangedMeanwhile,
    ]  # fmt: skip
    assert listed == {kind.status for kind in raised}
