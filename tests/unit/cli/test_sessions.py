import re
from pathlib import Path

import pytest

from aigateway import __version__
from tests.builders import a_closed, a_tool, a_usage, a_user, an_opened, charged
from tests.unit.cli.conftest import Aigw, Ledger

MANY = [f"0000000{number}-aaaa" for number in range(3)]


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    """Three sessions of alice, one of bob under the id of alice's first."""
    for number, session in enumerate(MANY):
        opened = an_opened(number, session=session, prompt=f"Prompt {number}")
        ledger.put((opened, a_closed(opened, a_usage(), a_tool())))
    opened = an_opened(
        10,
        session=MANY[0],
        prompt="Bob's",
        client="Codex",
        initiator_id="u-bob",
        initiator_username="bob",
    )
    ledger.put((opened, a_closed(opened)))
    for name in ("alice", "bob"):
        ledger.do(lambda store, name=name: store.add_user(a_user(name)))  # type: ignore[misc]
    return ledger


def prompts(out: str) -> list[str]:
    return [line.split("  ")[-1] for line in out.splitlines()[1:]]


def test_sessions_are_listed_newest_first(aigw: Aigw, recorded: Ledger) -> None:
    said = aigw("sessions")
    assert prompts(said.out) == ["Bob's", "Prompt 2", "Prompt 1", "Prompt 0"]
    assert MANY[1] in said.out


def test_costs_are_listed_where_there_are_some(aigw: Aigw, ledger: Ledger) -> None:
    for number, costs in enumerate(((1_234_567,), (), (420,))):
        opened = an_opened(number, session=MANY[number])
        ledger.put((opened, charged(a_closed(opened, a_usage()), *costs)))
    header, *lines = aigw("sessions").out.splitlines()
    assert "US$" in header
    found = [re.findall(r"  ([-0-9.]+)  Fix the build", line) for line in lines]
    assert found == [["0.00042"], ["-"], ["1.23"]]
    assert "Cost: US$1.23" in aigw("session", MANY[0]).out


def test_a_list_is_filtered_and_limited(aigw: Aigw, recorded: Ledger) -> None:
    assert prompts(aigw("sessions", "--user", "bob").out) == ["Bob's"]
    assert prompts(aigw("sessions", "--client", "codex").out) == ["Bob's"]
    assert prompts(aigw("sessions", "--model", "other").out) == []
    assert len(prompts(aigw("sessions", "--provider", "anthropic").out)) == 4
    limited = aigw("sessions", "--limit", "2")
    assert prompts(limited.out) == ["Bob's", "Prompt 2"]
    assert "2 of 4" in limited.err


def test_a_list_as_json_is_the_document_of_the_api(aigw: Aigw, recorded: Ledger) -> None:
    document = aigw("sessions", "--limit", "1", "--json").document
    assert document["count"] == 4
    assert document["sessions"][0]["initiator"]["username"] == "bob"
    assert "next_cursor" in document


def test_the_last_session_is_the_newest(aigw: Aigw, recorded: Ledger) -> None:
    assert "Bob's" in aigw("session", "last").out
    assert "Prompt 2" in aigw("session", "last", "--user", "alice").out
    assert aigw("session", "last", "--json").document["initiator"]["username"] == "bob"


def test_a_session_is_found_by_its_id_or_the_beginning_of_it(aigw: Aigw, recorded: Ledger) -> None:
    assert "Prompt 1" in aigw("session", MANY[1]).out
    assert "Prompt 1" in aigw("session", MANY[1][:9]).out
    (thread,) = aigw("session", MANY[1], "--json").document["threads"]
    assert thread["agentic_actions"][0]["tool_calls"][0]["tool"] == "Bash"


def test_a_session_of_several_users_needs_one_of_them(aigw: Aigw, recorded: Ledger) -> None:
    said = aigw("session", MANY[0])
    assert (said.status, said.out) == (1, "")
    assert "alice, bob" in said.err
    assert "Prompt 0" in aigw("session", MANY[0], "--user", "alice").out


def test_a_running_session_is_the_last_too(aigw: Aigw, recorded: Ledger) -> None:
    recorded.put((an_opened(20, session="running", prompt="Wait."), None))
    assert "running" in aigw("session", "last").out
    assert "running" in aigw("sessions").out


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ((), 2, "COMMAND"),
        (("fly",), 2, "fly"),
        (("sessions", "--limit", "many"), 2, "--limit"),
        (("sessions", "--limit", "1001"), 2, "--limit"),
        (("sessions", "--provider", "nowhere"), 2, "--provider"),
        (("sessions", "--user", "nobody"), 1, "no user nobody"),
        (("session",), 2, "ID"),
        (("session", "unknown"), 1, "no session unknown"),
        (("session", "00000"), 1, "begin with 00000"),
        (("session", "last", "--user", "nobody"), 1, "no user nobody"),
    ],
)
def test_a_mistake_is_one_line(
    aigw: Aigw, recorded: Ledger, arguments: tuple[str, ...], status: int, told: str
) -> None:
    said = aigw(*arguments)
    assert (said.status, said.out) == (status, "")
    assert told in said.err
    assert said.err.count("\n") == 1


def test_without_a_ledger_one_line_says_how_to_get_one(aigw: Aigw, state_dir: Path) -> None:
    for arguments in (("sessions",), ("session", "last"), ("users", "list"), ("keys", "list")):
        said = aigw(*arguments)
        assert (said.status, said.out, said.err.count("\n")) == (1, "", 1)
        assert "aigw run" in said.err
    assert not state_dir.exists()


def test_an_empty_ledger_has_no_last_session(aigw: Aigw, ledger: Ledger) -> None:
    assert aigw("session", "last").status == 1
    assert aigw("sessions").status == 0


def test_a_file_that_is_no_ledger_is_one_line(aigw: Aigw, state_dir: Path) -> None:
    state_dir.mkdir()
    (state_dir / "ledger.db").write_bytes(b"no database at all" * 100)
    said = aigw("sessions")
    assert (said.status, said.err.count("\n")) == (1, 1)


def test_wrong_settings_are_one_line(aigw: Aigw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_RETENTION", "long")
    said = aigw("sessions")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "AIGW_RETENTION" in said.err


def test_the_version_is_the_package_s(aigw: Aigw) -> None:
    assert aigw("--version").out == f"aigw {__version__}\n"
