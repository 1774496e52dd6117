from collections.abc import Iterator

import pytest

from tests.clients.running import Product, started

LINE = "line of the table"


@pytest.fixture(scope="session")
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """Started by the door that the test names: ``run``, or ``run-lambda`` for sandboxes."""
    with started(tmp_path_factory.mktemp("product"), request.param) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was compared, one line a client and scenario, from whichever process ran it."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    lines = sorted(
        str(text)
        for report in reports
        if report.when == "call"
        for name, text in report.user_properties
        if name == LINE
    )
    if lines:
        terminalreporter.section("recorded facts against the scripted provider")
        terminalreporter.write_line(
            f"{'client':18} {'scenario':10} requests matched missing extra wrong"
        )
        for line in lines:
            terminalreporter.write_line(line)
