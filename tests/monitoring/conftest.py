from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring import servers
from tests.monitoring.servers import Prometheus, Pushgateway


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One server for all tests: each tells its series apart by the label ``instance``."""
    with servers.prometheus(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture
def pushgateway(tmp_path: Path) -> Iterator[Pushgateway]:
    with servers.pushgateway(tmp_path) as server:
        yield server
