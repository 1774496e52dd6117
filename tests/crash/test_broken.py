"""Stores that are broken on purpose: the runner tells what they lose and what they double."""

from collections.abc import Iterator

import pytest

from tests.crash.conftest import Theatre, opened
from tests.crash.point import StoreKind
from tests.crash.points import POINTS
from tests.crash.runs import Run

STORES = ("file", pytest.param("table", marks=pytest.mark.ministack))
BY_NAME = {point.name: point for point in POINTS}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> StoreKind:
    kind: StoreKind = request.param
    return kind


@pytest.fixture
def theatre(
    request: pytest.FixtureRequest,
    store: StoreKind,
    provider: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Theatre]:
    account = request.getfixturevalue("aws") if store == "table" else {}
    folder = tmp_path_factory.mktemp("broken")
    with opened("embedded", store, provider, folder, account) as made:
        yield made


def test_an_opening_after_the_providers_call_is_found_out(
    theatre: Theatre, store: StoreKind
) -> None:
    run = Run(BY_NAME["gateway: after provider.head"], "embedded", store, 0)
    assert theatre.play(run).problems == ()
    told = theatre.play(run, "opening after the provider's call").problems
    assert any("lost: the provider had it, and there is no record" in each for each in told)


def test_a_closing_without_its_condition_is_found_out(theatre: Theatre, store: StoreKind) -> None:
    run = Run(BY_NAME["sweep: after store.purge"], "embedded", store, 0)
    assert theatre.play(run).problems == ()
    told = theatre.play(run, "closing without its condition").problems
    assert any(each.startswith("counters differ") for each in told)
    assert any(each.startswith("a session says") for each in told)
