"""One immutable state of all providers."""

import json
from ipaddress import ip_network
from typing import Any

import pytest

from aigateway.errors import NoSnapshot, SnapshotUnreadable
from aigateway.pool.outcomes import Outcome
from aigateway.pool.providers import ProviderFault, ProviderRow
from aigateway.pool.snapshot import (
    Pool,
    Snapshot,
    check,
    snapshot_document,
    snapshot_from,
    statuses,
)

LOOPBACK = (ip_network("127.0.0.0/8"),)


def row(name: str, **members: Any) -> ProviderRow:  # noqa: ANN401 - a row's members
    document = {"name": name, "type": "anthropic", "base_url": "https://h.example"} | members
    return ProviderRow(name, document, 1)


def built(*rows: ProviderRow) -> Snapshot:
    document, _ = snapshot_document(rows)
    return snapshot_from(7, document, allow_byok=True, allowed=LOOPBACK)


def test_one_bad_row_hides_no_good_one() -> None:
    snapshot = built(row("bad", base_url="http://h.example"), row("good"), row("odd", type="?"))
    assert snapshot.version == 7
    assert set(snapshot.providers) == {"good"}
    assert set(snapshot.faults) == {"bad", "odd"}
    assert snapshot.faults["bad"].type == "anthropic"
    assert snapshot.faults["bad"].reason.startswith("base_url: ")
    assert snapshot.faults["odd"].type is None


def test_a_broken_row_that_is_switched_off_is_off() -> None:
    faults = built(row("bad", type="?", enabled=False), row("worse", type="?")).faults
    assert not faults["bad"].enabled
    assert faults["worse"].enabled


def test_equal_rows_give_equal_bytes_in_any_order() -> None:
    one, two = row("a"), row("b", idle_timeout_s=5)
    assert snapshot_document([one, two]) == snapshot_document([two, one])
    assert snapshot_document([one]) != snapshot_document([one, two])
    assert snapshot_document([row("a")])[1] != snapshot_document([row("a", enabled=False)])[1]


def test_the_version_of_a_row_is_no_part_of_the_content() -> None:
    newer = ProviderRow("a", row("a").document, 5)
    assert snapshot_document([newer]) == snapshot_document([row("a")])


def test_the_document_is_json_with_the_stored_members() -> None:
    document, digest = snapshot_document([row("a", display_name="Ä")])
    (stored,) = json.loads(document)["providers"]
    assert stored["display_name"] == "Ä"
    assert len(digest) == 64


def test_how_providers_came_out_is_part_of_the_content() -> None:
    rows = [row("a"), row("b")]
    fine = snapshot_document(rows, {"a": Outcome("enabled"), "b": Outcome("enabled")})
    broken = snapshot_document(rows, {"a": Outcome("enabled"), "b": Outcome("error", "no key")})
    assert fine[1] != broken[1]
    assert statuses(broken[0])["b"] == Outcome("error", "no key")
    check(*fine)
    with pytest.raises(SnapshotUnreadable):
        check(fine[0], broken[1])


def test_what_the_reload_could_not_build_is_a_fault_here_too() -> None:
    outcomes = {
        "a": Outcome("error", "no key"),
        "b": Outcome("disabled"),
        "c": Outcome("enabled", warnings=("w",)),
        "d": Outcome("error"),
    }
    rows = [row("a"), row("b", enabled=False), row("c"), row("d", type="?"), row("e")]
    document, _ = snapshot_document(rows, outcomes)
    snapshot = snapshot_from(7, document, allow_byok=True, allowed=LOOPBACK)
    assert set(snapshot.providers) == {"b", "c", "e"}
    assert snapshot.faults["a"] == ProviderFault("a", "anthropic", "no key")
    assert snapshot.faults["d"].reason.startswith("type: ")


def test_rows_are_published_under_the_name_that_they_are_stored_by() -> None:
    document, _ = snapshot_document([ProviderRow("a", {"name": "another"}, 1)])
    assert [stored["name"] for stored in json.loads(document)["providers"]] == ["a"]


def test_a_row_that_no_text_encodes_stops_nothing() -> None:
    odd = ProviderRow.read("odd", '{"type": "anthropic", "display_name": "\\ud800"}', 1)
    document, _ = snapshot_document([odd, row("a")])
    assert set(snapshot_from(1, document, allow_byok=True, allowed=()).providers) == {"a", "odd"}


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "[" * 100_000])
def test_a_damaged_row_is_empty_and_breaks_itself_only(text: str) -> None:
    damaged = ProviderRow.read("odd", text, 3)
    assert damaged == ProviderRow("odd", {}, 3)
    assert set(built(damaged, row("a")).faults) == {"odd"}


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"7", b"[]", b"{}", b'{"providers": {}}', b'{"providers": [7]}', b"\xff"],
)
def test_a_document_that_is_none_is_unreadable(document: bytes) -> None:
    with pytest.raises(SnapshotUnreadable):
        snapshot_from(1, document, allow_byok=True, allowed=())


def test_access_rules_are_part_of_the_content() -> None:
    rule = {"user": "alice", "providers": ["*"], "models": []}
    document, digest = snapshot_document([row("a")], access=iter([rule]))
    assert digest != snapshot_document([row("a")])[1]
    snapshot = snapshot_from(7, document, allow_byok=True, allowed=())
    assert snapshot.access == (rule,)
    before = b'{"providers": []}'
    assert snapshot_from(7, before, allow_byok=True, allowed=()).access == ()


@pytest.mark.parametrize("access", ["{}", "[7]", "null", '"x"'])
def test_access_rules_that_cannot_be_read_are_no_snapshot(access: str) -> None:
    document = f'{{"providers": [], "access": {access}}}'.encode()
    with pytest.raises(SnapshotUnreadable):
        snapshot_from(1, document, allow_byok=True, allowed=())


def test_a_pool_holds_nothing_until_it_is_given_a_snapshot() -> None:
    pool = Pool()
    assert pool.version == 0
    with pytest.raises(NoSnapshot):
        pool.current()
    pool.replace(first := built(row("a")))
    assert pool.current() is first
    assert pool.version == 7
