"""A table that fails while the record of a request is being opened."""

from typing import Any

import pytest

from tests.faults.site import TOKENS, Site, end_of, prompt_of, tokens_of
from tests.faults.table import FAULTS, FaultyTable, passing

RECORD, PROMPT, SESSION = "PutItem S#*/I#", "PutItem S#*/P#*#0.", "UpdateItem S#*/META"
COMPLETED = ("completed", None)
READING = ("batch answered in part", "empty page")
HARMLESS = (*READING, "transaction in progress")
STOPPING = [name for name in FAULTS if name not in HARMLESS]
SOME = ("throttled", "request lost", "access denied")
REFUSAL: dict[str, dict[str, Any]] = {
    "messages": {"type": "api_error"},
    "chat": {"type": "server_error", "code": "recorder_unavailable", "param": None},
    "responses": {"type": "server_error", "code": "recorder_unavailable", "param": None},
}


async def ends(site: Site, words: str | None) -> list[tuple[str, str | None] | None]:
    return [end_of(row) for row in await site.settled() if prompt_of(row) == words]


@pytest.mark.parametrize("fault", passing())
async def test_a_fault_that_passes_is_not_noticed(
    site: Site, table: FaultyTable, fault: str
) -> None:
    with (
        table.suffering(fault, RECORD, times=2),
        table.suffering(fault, PROMPT, times=2),
        table.suffering(fault, SESSION, times=2),
    ):
        answered = await site.ask(words="go")
    assert (answered.status, answered.over) == (200, True)
    (row,) = [row for row in await site.settled() if prompt_of(row) == "go"]
    assert (end_of(row), tokens_of(row)) == (COMPLETED, TOKENS)


@pytest.mark.parametrize("fault", STOPPING)
async def test_a_fault_that_lasts_refuses_the_request_and_the_provider_sees_none(
    site: Site, table: FaultyTable, fault: str
) -> None:
    before = len(site.seen)
    with table.suffering(fault):
        for dialect, expected in REFUSAL.items():
            refused = await site.ask(dialect, f"in {dialect}")
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert refused.headers["x-ai-gateway-error"] == "recorder_unavailable"
            assert "x-should-retry" not in refused.headers
            error = refused.document["error"]
            assert {name: error[name] for name in expected} == expected
    assert len(site.seen) == before
    again = await site.ask("chat", "again")
    assert (again.status, again.over) == (200, True)
    assert await ends(site, "again") == [COMPLETED]


@pytest.mark.parametrize("fault", SOME)
async def test_a_prompt_that_cannot_be_written_refuses_the_request_and_its_record_failed(
    site: Site, table: FaultyTable, fault: str
) -> None:
    before = len(site.seen)
    with table.suffering(fault, PROMPT):
        assert (await site.ask(words="go")).status == 503
        await site.stage.store.stop()
    assert len(site.seen) == before
    (row,) = [row for row in await site.settled() if row.opened.prompt is None]
    assert end_of(row) == ("failed", "server_error")


@pytest.mark.parametrize(("place", "prompt"), [(RECORD, "go"), (PROMPT, None)])
async def test_a_record_whose_replies_were_all_lost_is_closed_as_failed(
    site: Site, table: FaultyTable, place: str, prompt: str | None
) -> None:
    """It is in the table, and its request was refused."""
    with table.suffering("reply lost", place):
        assert (await site.ask(words="go")).status == 503
        await site.stage.store.stop()
    assert "go" not in site.seen
    assert await ends(site, prompt) == [("failed", "server_error")]


@pytest.mark.parametrize("fault", SOME)
async def test_a_session_that_cannot_be_moved_holds_nobody_up(
    site: Site, table: FaultyTable, fault: str
) -> None:
    """The closing moves it: it repeats what the opening could not do."""
    tries = 3 if FAULTS[fault].passes else 1
    with table.suffering(fault, SESSION, times=tries):
        assert (await site.ask(words="go")).status == 200
    assert await ends(site, "go") == [COMPLETED]
    (session,) = site.stage.get("sessions")["sessions"]
    assert session["last_prompt"] == "go"
