"""The served description of the sessions API says what the handlers do, no less and no more."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aigateway import errors
from aigateway.caller.lineage import Lineage
from aigateway.errors import Answerable
from aigateway.interception import Credential, Opened, Parents
from aigateway.ledger.prices import Prices
from aigateway.sessions import query
from aigateway.sessions.calls import NothingFound
from aigateway.sessions.endpoints import SessionAmbiguous
from aigateway.sessions.search import KEYS
from aigateway.steps import steps_of_closing
from aigateway.transcript.facts import AnsweredCall
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at, charged
from tests.unit.sessions.conftest import Api, api

__all__ = ["api"]

FOLDER = Path(__file__).parents[2] / "layers/gateway/aigateway/sessions"
DESCRIPTION: Mapping[str, Any] = json.loads((FOLDER / "openapi.json").read_text())
CONFIGURATION: Mapping[str, Any] = json.loads((FOLDER / "configuration.json").read_text())
SCHEMAS = DESCRIPTION["components"]["schemas"]
PARAMETERS = {
    "/sessions": query.SESSION_PARAMETERS,
    "/sessions/{id}": query.DETAIL_PARAMETERS,
    "/interceptions": query.INTERCEPTION_PARAMETERS,
    "/interceptions/{id}": query.NO_PARAMETERS,
    "/models": query.NAME_PARAMETERS,
    "/clients": query.NAME_PARAMETERS,
    "/providers": query.NAME_PARAMETERS,
    "/openapi.json": query.NO_PARAMETERS,
}
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
    "number": (int, float),
}
Seen = set[tuple[str, str]]
"""Members that were sent, each with the schema that describes it."""


def resolved(
    part: Mapping[str, Any], document: Mapping[str, Any] = DESCRIPTION
) -> Mapping[str, Any]:
    while "$ref" in part:
        found: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def parameters_of(path: str) -> dict[str, Mapping[str, Any]]:
    listed = [resolved(each) for each in DESCRIPTION["paths"][path]["get"]["parameters"]]
    return {each["name"]: each["schema"] for each in listed if each["in"] == "query"}


def differences(
    value: Any,  # noqa: ANN401 - JSON of any shape
    schema: Mapping[str, Any],
    seen: Seen,
    at: str = "",
    document: Mapping[str, Any] = DESCRIPTION,
) -> Iterator[str]:
    """Yield the places where a document is not as described, by the keywords in use here."""
    if "oneOf" in schema:
        place = len(schema["oneOf"]) - 1 if value is None else 0
        schema = schema["oneOf"][place]
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = resolved(schema, document)
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    of_kind = any(isinstance(value, TYPES[kind]) for kind in kinds)
    if not of_kind or (isinstance(value, bool) and "boolean" not in kinds):
        yield f"{at}: {value!r} is no {schema['type']}"
    elif value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{at}: {value!r} is not one of the described"
    elif isinstance(value, list):
        for each in value:
            yield from differences(each, schema["items"], seen, f"{at}[]", document)
    elif isinstance(value, dict) and "properties" in schema:
        yield from (f"{at}: no {missing}" for missing in set(schema["required"]) - value.keys())
        for member, inner in value.items():
            if member not in schema["properties"]:
                yield f"{at}: {member} is not described"
                continue
            seen.add((name, member))
            part = schema["properties"][member]
            yield from differences(inner, part, seen, f"{at}.{member}", document)


def test_the_routes_are_those_of_the_handler(api: Api) -> None:
    served = {
        (method, prefix + re.sub("<(.+?)>", r"{\1}", path))
        for prefix, routes in api.handler.routes.items()
        for path, works in routes.items()
        for method in works
    }
    assert served == {
        (verb.upper(), server["url"] + path)
        for document in (DESCRIPTION, CONFIGURATION)
        for server in document["servers"]
        for path, verbs in document["paths"].items()
        for verb in verbs
    }


def test_the_parameters_are_those_that_are_read() -> None:
    assert PARAMETERS.keys() == DESCRIPTION["paths"].keys()
    for path, names in PARAMETERS.items():
        assert parameters_of(path).keys() == names, path
    listed = DESCRIPTION["components"]["parameters"]["q"]["description"]
    assert all(key in listed for key in KEYS)


@pytest.mark.parametrize("path", [path for path in PARAMETERS if "limit" in PARAMETERS[path]])
def test_the_bounds_of_numbers_are_those_that_are_held(api: Api, path: str) -> None:
    api.put(an_opened(0, session="s"))
    asked = path.removeprefix("/").format(id="s")
    for name, schema in parameters_of(path).items():
        if schema["type"] != "integer":
            continue
        for good in (schema["minimum"], schema["maximum"]):
            assert api.get(asked, None, headers=key(api), **{name: str(good)}).status == 200
        for bad in (schema["minimum"] - 1, schema["maximum"] + 1):
            answer = api.get(asked, None, headers=key(api), **{name: str(bad)})
            assert set(answer.faults) == {name}


def key(api: Api) -> dict[str, str]:
    return {"Coder-Session-Token": api.secrets["auditor"]}


def a_full_record() -> Opened:
    return an_opened(
        10,
        agent="agent-1",
        answered_calls=(AnsweredCall("toolu_1", is_error=True, result_bytes=7),),
        parents=Parents("root", "root"),
        previous_response_id="resp_0",
        retry_count=1,
        agent_firewall_session_id="f",
        agent_firewall_sequence_number=1,
        lineage=Lineage("session-1", "agent-1", "session-0", auxiliary=False),
        credential=Credential("byok", "ab...yz"),
    )


def fill(api: Api) -> str:
    """Store records with every field, and with as few as can be; return the id of a full one."""
    first = an_opened(0)
    tool = replace(a_tool("toolu_1"), item_id="item")
    closed = a_closed(first, a_usage(extra={"a": 1}), a_thought(), tool)
    api.put(first, Prices().priced(first, closed))
    full = a_full_record()
    api.put(
        full,
        a_closed(
            full,
            replace(a_tool(None), server="https://tools.example"),
            outcome="failed",
            error_type="rate_limited",
            error_message="Slow down.",
            provider_request_id="req_1",
            provider_response_id="msg_1",
            stop_reason="end_turn",
            first_byte_at=at(11),
        ),
    )
    agent = an_opened(20, agent="agent-2", prompt=None, agent_firewall_session_id="f",
                      agent_firewall_sequence_number=1)  # fmt: skip
    api.put(agent, a_closed(agent, outcome="failed", error_type="timeout", error_message="Late."))
    bare = an_opened(30, session=None, prompt=None, model="m")
    closed = a_closed(bare, http_status=None)
    api.do(api.store.open(bare))
    api.do(api.store.close(bare, closed, steps_of_closing(bare, closed)))
    api.do(api.store.open(an_opened(40, session="running", prompt=None)))
    lost = an_opened(50, prompt=None)
    api.put(lost, a_closed(lost, outcome="abandoned", error_type="unknown"))
    late = a_closed(
        lost,
        a_usage(),
        outcome="failed",
        error_type="timeout",
        stop_reason="end_turn",
        provider_response_id="msg_2",
    )
    assert api.do(api.store.late(lost, charged(late, 7)))
    return first.id


def test_every_answer_is_as_described_and_nothing_described_is_never_sent(api: Api) -> None:
    interception = fill(api)
    seen: Seen = set()
    for path, asked, parameters in (
        ("/sessions", "sessions", {}),
        ("/sessions", "sessions", {"include": "inflight", "limit": "1"}),
        ("/sessions/{id}", "sessions/session-1", {}),
        ("/sessions/{id}", "sessions/running", {}),
        ("/interceptions", "interceptions", {"include": "inflight"}),
        ("/interceptions", "interceptions", {"limit": "1"}),
        ("/interceptions/{id}", f"interceptions/{interception}", {}),
        *((f"/{name}", name, {}) for name in ("models", "clients", "providers")),
    ):
        answer = api.get(asked, **parameters)  # type: ignore[arg-type]  # names of parameters
        assert answer.status == 200
        content = DESCRIPTION["paths"][path]["get"]["responses"]["200"]["content"]
        schema = content["application/json"]["schema"]
        assert answer.document, asked
        assert list(differences(answer.document, schema, seen, asked)) == []
    for asked, user in (("sessions", None), ("sessions?", "auditor")):
        refused = api.get(asked.rstrip("?"), user, **({"limit": "x"} if user else {}))  # type: ignore[arg-type]  # a parameter
        schema = {"$ref": "#/components/schemas/Error"}
        assert list(differences(refused.document, schema, seen, asked)) == []
    described = {
        (name, member)
        for name, schema in SCHEMAS.items()
        for member in schema.get("properties", ())
    }
    never = {("SessionPage", "count_exact"), ("InterceptionPage", "count_exact")}
    assert described - seen == never, "only beyond 10,000 rows"


def test_every_error_of_the_api_is_described() -> None:
    listed = {
        int(status)
        for path in DESCRIPTION["paths"].values()
        for status in path["get"]["responses"]
        if status != "200"
    }
    own = {kind.status for kind in raised()}
    assert listed == own


def raised() -> list[type[Answerable]]:
    return [
        query.QueryInvalid,
        errors.MissingKey,
        errors.NotAllowed,
        errors.InternalError,
        errors.AuthUnavailable,
        NothingFound,
        SessionAmbiguous,
    ]
