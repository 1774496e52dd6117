"""How records are read: rows 69 to 73 of the acceptance table."""

from dataclasses import replace
from datetime import timedelta

import pytest

from aigateway.settings import DEFAULT_RETENTION
from tests.acceptance.stage import Script, Stage, Told, blocking
from tests.acceptance.words import ANSWER, TOOL, message, messages, response, responses, text


async def asked(
    stage: Stage, session: str, *, user: str = "alice", client: str = "OpenCode", **more: object
) -> Told:
    request = messages("go", tools=[TOOL], stream=True, **more)
    return await stage.tell(
        "messages", request, Script(ANSWER), session=session, user=user, client=client
    )


async def three_sessions(stage: Stage) -> dict[str, Told]:
    """Store one session each that every filter of the lists can tell from the others."""
    codex, script = responses("go", tools=[TOOL]), blocking(response())
    return {
        "first": await asked(stage, "session-first"),
        "second": await asked(stage, "session-second", user="bob", model="claude-opus-5"),
        "third": await stage.tell(
            "responses", codex, script, {"session-id": "session-third"}, client="Codex"
        ),
    }


def instant(told: Told) -> str:
    return str(told.record["started_at"])


def sessions(stage: Stage, **parameters: str) -> list[str]:
    listed = stage.get("sessions", **parameters)["sessions"]
    return [row["id"].removeprefix("session-") for row in listed]


FILTERS = {
    "client": ("Codex", ["third"]),
    "initiator": ("bob", ["second"]),
    "provider": ("openai", ["third"]),
    "model": ("claude-opus-5", ["second"]),
    "started_after": ("second", ["third", "second"]),
    "started_before": ("second", ["second", "first"]),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_row_69_each_filter_of_the_lists(stage: Stage, name: str) -> None:
    told = await three_sessions(stage)
    value, found = FILTERS[name]
    value = instant(told[value]) if name.startswith("started") else value
    assert sessions(stage, **{name: value}) == found
    listed = stage.get("interceptions", **{name: value})["results"]
    assert [row["session_id"].removeprefix("session-") for row in listed] == found


EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize("name", FILTERS)
async def test_row_69_a_filter_says_the_same_in_q(stage: Stage, name: str) -> None:
    told = await three_sessions(stage)
    value, found = FILTERS[name]
    value = instant(told[value]) if name.startswith("started") else value
    assert sessions(stage, q=f'{name}:"{value}"') == found
    other = {name: EARLY if name.startswith("started") else "alice"}
    status, refused = stage.query("sessions", q=f'{name}:"{value}"', **other)
    assert status == 400
    assert name in {fault["field"] for fault in refused["validations"]}


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"started_after": EARLY, "started_before": EARLY}, ["started_before"]),
        ({"started_after": LATE, "started_before": EARLY}, ["started_before"]),
        ({"limit": "1001"}, ["limit"]),
        ({"cursor": "x", "offset": "1"}, ["offset"]),
        ({"initiator": "nobody"}, ["initiator"]),
        ({"limit": "1001", "initiator": "nobody", "x": "y"}, ["limit", "initiator", "x"]),
    ],
)
async def test_row_70_what_cannot_be_answered_is_named(
    stage: Stage, parameters: dict[str, str], fields: list[str]
) -> None:
    for path in ("sessions", "interceptions"):
        status, refused = stage.query(path, **parameters)
        assert status == 400
        assert set(fields) <= {fault["field"] for fault in refused["validations"]}


@pytest.mark.parametrize("path", ["sessions", "interceptions"])
async def test_row_71_paging_neither_repeats_nor_skips_while_others_arrive(
    stage: Stage, path: str
) -> None:
    before = [(await asked(stage, f"session-{number}")).record for number in range(7)]
    wanted = {row["session_id"] if path == "sessions" else row["id"] for row in before}
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for page in range(9):
        answer = stage.get(path, limit="3", **cursor)
        seen += [row["id"] for row in answer["sessions" if path == "sessions" else "results"]]
        if "next_cursor" not in answer:
            break
        cursor = {"cursor": answer["next_cursor"]}
        await asked(stage, f"new-{page}")
        await asked(stage, f"session-{page}")
    else:
        raise AssertionError("there was always another page")
    assert len(seen) == len(set(seen))
    assert wanted <= set(seen)
    altered = cursor["cursor"][:-2] + ("AA" if cursor["cursor"][-2:] != "AA" else "BB")
    for user, shown in (("auditor", altered), ("alice", cursor["cursor"])):
        status, refused = stage.query(path, user, limit="3", cursor=shown)
        assert status == 400
        assert [fault["field"] for fault in refused["validations"]] == ["cursor"]


async def test_row_72_somebody_elses_session_is_not_there(stage: Stage) -> None:
    told = await asked(stage, "session-of-alice")
    paths = ("sessions/session-of-alice", f"interceptions/{told.record['id']}")
    for path in paths:
        assert stage.query(path, "alice")[0] == 200
        theirs, nothing = stage.query(path, "bob"), stage.query(path[:-1] + "0", "bob")
        assert theirs[0] == nothing[0] == 404
        assert theirs[1] == nothing[1]
    for listed in ("sessions", "interceptions"):
        assert stage.get(listed, "bob")["count"] == 0
        assert stage.get(listed, "alice")["count"] == 1


async def test_row_73_what_is_past_its_retention_is_nowhere(stage: Stage) -> None:
    key = await stage.add_user("late", "auditor")
    await stage.store.put_key(replace(key, expires_at=None))
    told = await stage.tell("messages", messages("go"), blocking(message(text("ok"))))
    record = told.record["id"]
    paths = (f"sessions/{told.record['session_id']}", f"interceptions/{record}")
    stage.clock.advance((DEFAULT_RETENTION - timedelta(seconds=2)).total_seconds())
    assert [stage.query(path, "late")[0] for path in paths] == [200, 200]
    stage.clock.advance(3)
    assert [stage.query(path, "late")[0] for path in paths] == [404, 404]
    for listed in ("sessions", "interceptions"):
        found = stage.get(listed, "late", include="inflight,auxiliary")
        assert (found["count"], found.get("sessions", found.get("results"))) == (0, [])
