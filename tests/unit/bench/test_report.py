import re
from collections import Counter

import pytest

from bench.functions import Functions
from bench.measures import Latency, Memory, Pair, Start, Timings
from bench.report import Figures, document, lines
from bench.sandbox import Cold, Warm


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
    functions = Functions(
        nothing=Cold(cpu_ms=80, wall_ms=90, resident_mib=20),
        cold={"SQLite": Cold(200, 210, 30), "DynamoDB": Cold(300, 310, 50)},
        warm={"SQLite": Warm(1.5, 20, 36), "DynamoDB": Warm(2.4, 200, 60)},
        modules={"SQLite": Counter(Python=9), "DynamoDB": Counter(Python=12, botocore=7)},
        url_ms=6,
        uvicorn_ms=5,
    )
    start = Start(2, 0.1, 0.3)
    return Figures({"body of 1 KB": latency}, pairs, loads, memory, start, functions)


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
    assert values["CPU of a cold start over DynamoDB / 400 ms"] == "0.75"
    assert values["memory of a sandbox over SQLite / 90 MiB"] == "0.40"
    assert values["added to the first byte, local Function URL / uvicorn"] == "1.20"
    assert all("/" in what or what.endswith("nginx") for what in values)


def test_the_terminal_shows_every_figure_with_its_unit(figures: Figures) -> None:
    text = "\n".join(lines(figures))

    assert "3.00 beyond it" in text
    assert "gateway 300, nginx 4000 (0.07 times)" in text
    assert "37.0 MiB of 60" in text
    assert "cold start over DynamoDB: 300 ms of CPU" in text
    assert "Function URL 6.00 ms, uvicorn 5.00 ms (1.20 times)" in text


def test_the_page_lists_the_modules_of_a_cold_start_by_package(figures: Figures) -> None:
    page = document(figures)

    assert "| package | SQLite | DynamoDB |" in page
    assert "| botocore | 0 | 7 |" in page
    assert "| all | 9 | 19 |" in page
