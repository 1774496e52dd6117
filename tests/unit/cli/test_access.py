import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Aigw, Ledger

ALICES = {"user": "alice", "providers": ["anthropic"], "models": ["claude-*"]}
GUESTS = {"group": "guests", "providers": [], "models": []}


def written(folder: Path, document: object) -> str:
    file = folder / "rules.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(file)


def test_without_rules_that_is_what_is_said(aigw: Aigw, ledger: Ledger) -> None:
    aigw("users", "create", "alice")
    shown = aigw("access", "show")
    assert (shown.status, shown.out) == (0, "")
    assert "everybody may use everything" in shown.err
    assert aigw("access", "show", "--json").document == {"version": 0, "rules": []}


def test_what_is_shown_as_json_can_be_set_again(aigw: Aigw, ledger: Ledger, tmp_path: Path) -> None:
    file = written(tmp_path, {"version": 0, "rules": [ALICES, GUESTS]})
    made = aigw("access", "set", file, "--json").document
    assert made == {"version": 1, "rules": [ALICES, GUESTS]}
    assert aigw("access", "show", "--json").document == made
    again = aigw("access", "set", written(tmp_path, made))
    assert (again.status, again.out.split()[0]) == (0, "2")
    lines = aigw("access", "show").out.splitlines()
    assert [line.split()[0] for line in lines] == ["WHO", "alice", "group"]
    assert lines[2].split()[1:] == ["guests", "none", "none"]


def test_a_file_of_an_older_version_replaces_nothing(
    aigw: Aigw, ledger: Ledger, tmp_path: Path
) -> None:
    file = written(tmp_path, {"version": 0, "rules": [ALICES]})
    assert aigw("access", "set", file).status == 0
    late = aigw("access", "set", written(tmp_path, {"version": 0, "rules": []}))
    assert (late.status, "version 1" in late.err) == (1, True)
    assert aigw("access", "show", "--json").document["rules"] == [ALICES]


def test_a_change_is_kept_with_who_made_it(aigw: Aigw, ledger: Ledger, tmp_path: Path) -> None:
    aigw("access", "set", written(tmp_path, {"version": 0, "rules": [ALICES]}))
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    (entry,) = ledger.do(lambda store: store.audited(now - hour, now + hour))
    assert (entry.actor_id, entry.action) == ("cli", "access.replaced")
    assert entry.changes == {"version": 1, "added": [ALICES], "removed": []}


def test_rules_are_published_at_once(aigw: Aigw, ledger: Ledger, tmp_path: Path) -> None:
    aigw("access", "set", written(tmp_path, {"version": 0, "rules": [ALICES]}))
    published = ledger.do(lambda store: store.published())
    assert published is not None
    assert json.loads(published.document)["access"] == [ALICES]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "no JSON"),
        ("[]", "expected an object"),
        ({"rules": []}, "version: Expected"),
        ({"version": 0, "rules": [ALICES, {**GUESTS, "models": 5}]}, "rules[1].models: "),
    ],
)
def test_a_file_that_holds_no_rules_is_a_mistake(
    aigw: Aigw, ledger: Ledger, tmp_path: Path, document: object, said: str
) -> None:
    aigw("users", "create", "alice")
    refused = aigw("access", "set", written(tmp_path, document))
    assert (refused.status, said in refused.err) == (2, True)
    assert aigw("access", "show", "--json").document["version"] == 0


def test_a_file_that_is_not_there_is_named(aigw: Aigw, ledger: Ledger, tmp_path: Path) -> None:
    missing = aigw("access", "set", str(tmp_path / "none.json"))
    assert (missing.status, "none.json" in missing.err) == (1, True)
