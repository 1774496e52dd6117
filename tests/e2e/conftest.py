from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.product import Product, running


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One running product for the tests of a module."""
    home: Path = tmp_path_factory.mktemp("home")
    with running(home) as started:
        yield started
