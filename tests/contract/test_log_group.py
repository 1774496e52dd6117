"""A log group: lines come back with their times, page by page, whatever else is in it.

What stands in for the service does not know its patterns and returns every line; the stand-in
does not know pages either.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from aigateway.aws import client
from aigateway.clock import SystemClock, micros
from aigateway.reload.log_group import CloudWatchGroup, LogUnreadable
from tests.contract.stand_in import ACCOUNT

MOTO = "moto"


@pytest.fixture(params=[MOTO, pytest.param("ministack", marks=pytest.mark.ministack)])
def logs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of CloudWatch Logs; the environment leads others to the same."""
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    if request.param == "moto":
        with pytest.importorskip("moto").mock_aws():
            yield client("logs")
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("stand_in"))
        yield client("logs")


@pytest.mark.parametrize(
    ("logs", "count"),
    [(MOTO, 150), pytest.param("ministack", 50, marks=pytest.mark.ministack)],
    indirect=["logs"],
)
async def test_lines_are_found_by_their_time_and_page_by_page(logs: Any, count: int) -> None:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    name, now_ms = f"/aws/lambda/{uuid4()}", micros(SystemClock().now()) // 1000
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one")
    events = [
        {"timestamp": now_ms - 1000 + number, "message": f'{{"line": {number}}}'}
        for number in range(count)
    ]
    logs.put_log_events(logGroupName=name, logStreamName="one", logEvents=events)
    group, token = CloudWatchGroup(name), None
    found: list[tuple[int, str]] = []
    while True:
        page = await group.page(now_ms - 990, now_ms + 1000, token)
        found += page.lines
        token = page.token
        if token is None:
            break
    assert found == [(event["timestamp"], event["message"]) for event in events[10:]]


async def test_a_group_that_is_not_there_is_unreadable(logs: Any) -> None:  # noqa: ANN401 - likewise
    with pytest.raises(LogUnreadable, match="/nowhere: ResourceNotFoundException"):
        await CloudWatchGroup("/nowhere").page(0, 1, None)


async def test_a_service_that_does_not_answer_is_unreadable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ACCOUNT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(LogUnreadable, match="EndpointConnectionError"):
        await CloudWatchGroup("/any").page(0, 1, None)
