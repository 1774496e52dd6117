"""Records as a whole, on the command line."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from aigateway.interception import Closed, Opened
from aigateway.ledger.listing import Filter, Reach, Window
from aigateway.steps import CLOSED
from tests.builders import a_closed, a_thought, a_tool, a_usage, an_opened, at
from tests.unit.cli.conftest import Aigw, Ledger

KEEP: dict[str, Any] = {"expires_at": None}
Record = tuple[Opened, Closed | None]


def ended(seconds: float = 0, **changed: Any) -> Record:  # noqa: ANN401 - any field of Opened
    opened = an_opened(seconds, **KEEP | changed)
    return opened, a_closed(opened, a_thought("hm"), a_tool(), a_usage())


def bobs(seconds: float) -> Record:
    return ended(seconds, initiator_id="u-bob", initiator_username="=bob", client="Codex")


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    ledger.put(ended(0), bobs(1), ended(90_000), (an_opened(90_001, **KEEP), None))
    return ledger


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Another state directory, which commands use from now on."""
    monkeypatch.setenv("AIGW_STATE_DIR", str(tmp_path / "other"))
    return Ledger(tmp_path / "other" / "ledger.db")


def test_an_export_has_every_record_once_newest_first(filled: Ledger, aigw: Aigw) -> None:
    said = aigw("export")
    documents = [json.loads(line) for line in said.out.splitlines()]
    starts = [document["opened"]["started_at"] for document in documents]
    assert (said.status, said.err) == (0, "")
    assert starts == sorted(starts, reverse=True)
    assert ["closed" in document for document in documents] == [False, True, True, True]
    assert documents[1]["answer"]["rows"][0]["fact"]["text"] == "hm"


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--ended",), 3),
        (("--user", "u-bob"), 1),
        (("--q", "client:codex"), 1),
        (("--client", "Claude Code"), 3),
        (("--q", 'started_after:"2026-11-25T00:00:00Z"'), 2),
        (("--started-before", "2026-11-25T00:00:00Z"), 2),
        (("--model", "none"), 0),
        (("--session-id", "session-1", "--user", "u-alice"), 3),
    ],
)
def test_an_export_takes_the_filters_of_the_api(
    filled: Ledger, aigw: Aigw, arguments: tuple[str, ...], count: int
) -> None:
    assert len(aigw("export", *arguments).out.splitlines()) == count


def test_a_file_appears_whole_with_its_hash_and_for_its_owner_alone(
    filled: Ledger, aigw: Aigw, tmp_path: Path
) -> None:
    file = tmp_path / "out" / "ledger.ndjson"
    file.parent.mkdir()
    said = aigw("export", "--output", str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (said.out, f"4 records in {file}, SHA-256 {digest}" in said.err) == ("", True)
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600
    assert aigw("export", "--hash").out.strip() == digest
    assert aigw("export", "--hash", "--json").document == {"records": 4, "sha256": digest}


def test_an_export_that_fails_leaves_the_old_file(
    filled: Ledger, aigw: Aigw, tmp_path: Path
) -> None:
    file = tmp_path / "old.ndjson"
    file.write_text("old")
    assert aigw("export", "--output", str(file), "--provider", "nobody").status == 2
    assert aigw("export", "--output", str(tmp_path / "no" / "dir")).status == 1
    assert aigw("export", "--json").status == 2
    assert file.read_text() == "old"


def test_a_sheet_of_records_holds_no_formula_and_nothing_that_was_said(
    filled: Ledger, aigw: Aigw
) -> None:
    text = aigw("export", "--format", "csv").out
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["username"] for line in lines] == ["alice", "alice", "'=bob", "alice"]
    assert [line["input_tokens"] for line in lines] == ["0", "10", "10", "10"]
    assert (lines[0]["ended_at"], lines[0]["outcome"]) == ("", "")
    assert "Fix the build." not in text


def test_tokens_are_summed_by_day_and_user(filled: Ledger, aigw: Aigw) -> None:
    lines = list(csv.DictReader(io.StringIO(aigw("export", "--format", "tokens").out)))
    found = [
        (line["day"], line["user_id"], line["interceptions"], line["output_tokens"])
        for line in lines
    ]
    assert found == [
        ("2026-11-25", "u-alice", "2", "20"),
        ("2026-11-24", "u-alice", "1", "20"),
        ("2026-11-24", "u-bob", "1", "20"),
    ]


def test_an_import_makes_an_equal_ledger_and_may_be_repeated(
    filled: Ledger, aigw: Aigw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ledger.ndjson"
    aigw("export", "--output", str(file))
    monkeypatch.setenv("AIGW_STATE_DIR", str(tmp_path / "other"))
    first = aigw("import", str(file), "--json")
    assert first.document["imported"] == 4
    again = aigw("import", str(file), "--json")
    assert (again.status, again.document["imported"], again.document["present"]) == (0, 0, 4)
    assert aigw("export").out.encode() == file.read_bytes()
    other = Ledger(tmp_path / "other" / "ledger.db")
    counters = other.do(lambda store: store.counters())
    assert {kind for kind, _ in counters} == {CLOSED}
    assert [dict(counted) for counted in counters.values()] == [{"c": 0}, {"c": 0}]
    window = Window(10, at(0))
    names = other.do(lambda store: store.names("clients", Reach(None), window, ""))
    assert names == ("Claude Code", "Codex")


def test_an_import_goes_on_where_it_was_killed(
    filled: Ledger, aigw: Aigw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = aigw("export").out.splitlines(keepends=True)
    file = tmp_path / "half.ndjson"
    file.write_text("".join(whole[:2]) + whole[2][:50])
    monkeypatch.setenv("AIGW_STATE_DIR", str(tmp_path / "other"))
    cut = aigw("import", str(file))
    assert cut.status == 1
    assert cut.err.splitlines()[0] == "line 3: not a whole line of JSON, or not a record"
    file.write_text("".join(whole))
    assert aigw("import", str(file)).out.startswith("2 imported, 0 completed, 2 present")
    assert aigw("export").out == "".join(whole)


def test_what_is_there_with_other_content_stays_and_is_told(
    ledger: Ledger, aigw: Aigw, tmp_path: Path
) -> None:
    opened, closed = ended()
    ledger.put((opened, closed))
    document = json.loads(aigw("export").out)
    document["closed"]["outcome"] = "failed"
    file = tmp_path / "other.ndjson"
    file.write_text(json.dumps(document) + "\n")
    said = aigw("import", str(file))
    assert said.status == 1
    assert f"interception {opened.id} is there with other content" in said.err
    page = ledger.do(lambda s: s.interceptions(Filter(), Reach(None), Window(9, at(0))))
    assert page.rows[0].closed == closed


def test_an_open_record_is_completed_by_a_newer_file_and_kept_from_an_older_one(
    ledger: Ledger, aigw: Aigw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = an_opened(**KEEP)
    ledger.put((opened, None))
    (tmp_path / "open").write_text(aigw("export").out)
    closed = a_closed(opened, a_usage())
    ledger.do(lambda store: store.close(opened, closed, ()))
    (tmp_path / "ended").write_text(aigw("export").out)
    monkeypatch.setenv("AIGW_STATE_DIR", str(tmp_path / "other"))
    told = [
        aigw("import", str(tmp_path / name), "--json").document
        for name in ("open", "ended", "open")
    ]
    assert [(each["imported"], each["completed"], each["present"]) for each in told] == [
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
    ]
    assert aigw("export").out == (tmp_path / "ended").read_text()


def test_what_has_expired_is_not_imported(ledger: Ledger, aigw: Aigw, tmp_path: Path) -> None:
    opened, closed = ended()
    ledger.put((opened, closed))
    document = json.loads(aigw("export").out)
    document["opened"]["expires_at"] = document["opened"]["started_at"] // 1_000_000 * 1_000_000
    document["opened"]["expires_at"] -= 400 * 86_400 * 1_000_000
    (tmp_path / "old").write_text(json.dumps(document) + "\n")
    assert aigw("import", str(tmp_path / "old"), "--json").document["expired"] == 1
    assert aigw("import", str(tmp_path / "none")).status == 1


def test_a_rewrite_follows_the_setting(
    filled: Ledger, aigw: Aigw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGW_RETENTION", "36500")
    assert aigw("retention", "rewrite", "--json").document == {"examined": 4, "changed": 4}
    assert aigw("retention", "rewrite").out.startswith(
        "0 of 4 records changed: kept for 36500 days"
    )
    monkeypatch.setenv("AIGW_RETENTION", "0")
    assert "for ever" in aigw("retention", "rewrite").out


def test_erasing_wants_a_yes_and_says_what_it_did(filled: Ledger, aigw: Aigw) -> None:
    aigw("users", "create", "carol")
    (carol,) = aigw("users", "list", "--json").document
    filled.put(ended(5, initiator_id=carol["id"], initiator_username="carol", session="of-carol"))
    key = aigw("keys", "create", "--user", "carol", "--json").document
    assert aigw("erase", "carol").status == 2
    assert aigw("erase", "nobody", "--yes").status == 1
    assert aigw("erase", "carol", "--state").status == 1
    said = aigw("erase", "carol", "--yes", "--logs")
    assert said.status == 0
    assert said.out.startswith("deleted of carol: 1 interceptions, 1 prompts, 2 texts, 1 pointers")
    assert "log groups" in said.out
    assert [each["id"] for each in aigw("keys", "list", "--json").document] == [key["id"]]
    assert "revoked_at" in aigw("keys", "list", "--json").document[0]
    assert len(aigw("export").out.splitlines()) == 4
    state = aigw("erase", "carol", "--state", "--json").document
    assert (state["deleted"]["interceptions"], state["finished_at"]) == (1, None)


def test_a_deleted_users_records_are_erased_by_the_id(filled: Ledger, aigw: Aigw) -> None:
    assert aigw("erase", "u-bob", "--yes").status == 0
    assert len(aigw("export").out.splitlines()) == 3


def test_lines_of_no_record_are_told_by_number(ledger: Ledger, aigw: Aigw, tmp_path: Path) -> None:
    ledger.put(ended())
    document = json.loads(aigw("export").out)
    newer = document | {"v": 2}
    unknown = document | {"opened": document["opened"] | {"colour": "red"}}
    moved = document | {"opened": document["opened"] | {"started_at": 5}}
    lines = [
        "{}",
        "[]",
        "null",
        '"x"',
        "{",
        "[" * 20_000,
        *map(json.dumps, (newer, unknown, moved)),
    ]
    (tmp_path / "bad").write_text("\n".join(lines))
    said = aigw("import", str(tmp_path / "bad"))
    assert [line.split(":")[0] for line in said.err.splitlines()[:-1]] == [
        f"line {number}" for number in range(1, 10)
    ]
    assert "newer release" in said.err
    assert "does not know" in said.err
    assert "time of the start" in said.err
    assert said.out.strip().endswith("9 invalid")
