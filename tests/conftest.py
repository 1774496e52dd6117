"""What holds for a whole run of tests."""

from collections.abc import Iterator

import pytest

from tests.remains import keys_below


@pytest.fixture(autouse=True, scope="session")
def no_key_remains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All that was written is searched when all is over; each worker searches its own folders."""
    yield
    found = keys_below(tmp_path_factory.getbasetemp())
    assert found == [], "keys where they are not at home: " + "; ".join(found)
