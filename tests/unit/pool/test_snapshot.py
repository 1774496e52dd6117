"""One immutable state of all providers."""

import json
from ipaddress import ip_network
from typing import Any

import pytest

from aigateway.errors import NoSnapshot
from aigateway.pool.providers import ProviderRow
from aigateway.pool.snapshot import Pool, Snapshot, snapshot_document, snapshot_from

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


def test_a_pool_holds_nothing_until_it_is_given_a_snapshot() -> None:
    pool = Pool()
    assert pool.version == 0
    with pytest.raises(NoSnapshot):
        pool.current()
    pool.replace(first := built(row("a")))
    assert pool.current() is first
    assert pool.version == 7
