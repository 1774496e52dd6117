import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.aws import installed
from tests.e2e.product import COMPOSITIONS, Product, running


@pytest.fixture(scope="session", params=COMPOSITIONS)
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """The running product, first as one machine runs it, then as it is deployed."""
    composition: str = request.param
    if composition == "run-lambda":
        needs_stand_in()
    home: Path = tmp_path_factory.mktemp("home")
    with running(home, composition) as started:
        yield started


@pytest.fixture(params=COMPOSITIONS)
def composition(request: pytest.FixtureRequest) -> str:
    """The command that a test starts the product with."""
    if request.param == "run-lambda":
        needs_stand_in()
    return str(request.param)


def needs_stand_in() -> None:
    """Skip a test where the local AWS stand-in is not installed; in CI that is a failure."""
    if installed() is None:
        reason = "the local AWS stand-in is not installed (make .venv-aws/ready)"
        if os.environ.get("CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
