import re

import pytest

from bench.measures import Latency, Memory, Pair, Start, Timings
from bench.report import Figures, document, lines


@pytest.fixture
def figures() -> Figures:
    latency = Latency(
        direct=Timings(first=1, end=30, tail=0),
        nginx=Timings(first=1.5, end=30.5, tail=0),
        gateway=Timings(first=6, end=36, tail=4),
        opening=2,
        closing=1,
    )
    memory = Memory(10, 40, {100: 42, 500: 44, 1000: 47}, 49)
    pairs = {30: Pair(1, 10), 300: Pair(2, 40)}
    loads = {1: Pair(2000, 100), 8: Pair(4000, 300), 32: Pair(4000, 400)}
    return Figures({"body of 1 KB": latency}, pairs, loads, memory, Start(2, 0.1, 0.3))


def test_what_the_gateway_adds_is_told_without_the_stores_own_writes(figures: Figures) -> None:
    (latency,) = figures.waits.values()

    assert latency.beyond_opening == 3
    assert latency.beyond_closing == 3


def test_growth_is_told_from_one_count_of_streams_to_the_next(figures: Figures) -> None:
    growth = figures.memory.growth_kib_per_stream

    assert figures.memory.above_bare == 37
    assert list(growth) == [(100, 500), (500, 1000)]
    assert growth[500, 1000] == pytest.approx(3 * 1024 / 500)


def test_the_page_holds_ratios_and_no_times(figures: Figures) -> None:
    page = document(figures)

    rows = re.findall(r"^\| (.+) \| (-?\d+\.\d\d) \| .* ?\|$", page, re.MULTILINE)
    values = dict(rows)
    assert values["added to the first byte beyond that write / 3 ms"] == "1.00"
    assert values["CPU of one more event, gateway / nginx"] == "30.00"
    assert values["CPU of the gateway's imports / of `import asyncio`"] == "3.00"
    assert values["`aigw run` to its ready line, warm / 4 s"] == "0.50"
    assert all("/" in what or what.endswith("nginx") for what in values)


def test_the_terminal_shows_every_figure_with_its_unit(figures: Figures) -> None:
    text = "\n".join(lines(figures))

    assert "3.00 beyond it" in text
    assert "gateway 300, nginx 4000 (0.07 times)" in text
    assert "37.0 MiB of 60" in text
