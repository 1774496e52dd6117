"""A table that fails while the API reads records, or while a caller is looked up."""

from itertools import product
from typing import Any

import pytest

from tests.faults.conftest import OverTable
from tests.faults.site import Site, end_of
from tests.faults.table import FAULTS, FaultyTable, passing

READS = ("Query", "BatchGetItem")
PATHS = ("interceptions", "sessions", "sessions/session-1", "models", "clients")
HARMLESS = (
    "batch answered in part", "empty page", "transaction conflict", "transaction in progress"
)  # fmt: skip
STOPPING = [name for name in FAULTS if name not in HARMLESS]


def everything(site: Site) -> dict[str, Any]:
    pages = {path: site.stage.get(path) for path in PATHS}
    newest = pages["interceptions"]["results"][0]["id"]
    return pages | {"one": site.stage.get(f"interceptions/{newest}")}


@pytest.mark.parametrize("fault", passing())
async def test_a_fault_that_passes_changes_no_answer(
    site: Site, table: FaultyTable, fault: str
) -> None:
    await site.served()
    plain = everything(site)
    with table.suffering(fault, *READS, times=2), table.suffering(fault, "GetItem", times=2):
        assert everything(site) == plain


@pytest.mark.parametrize("fault", HARMLESS)
async def test_answers_in_part_are_put_together(site: Site, table: FaultyTable, fault: str) -> None:
    await site.served()
    plain = everything(site)
    with table.suffering(fault):
        assert everything(site) == plain


async def test_a_fault_that_lasts_is_told_to_readers_in_the_shape_of_the_api(
    site: Site, table: FaultyTable
) -> None:
    for fault, path in product(STOPPING, PATHS):
        with table.suffering(fault, *READS):
            answer = site.stage.handler(event(site, path), None)
        headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        assert (answer["statusCode"], headers["Retry-After"]) == (503, "1"), (fault, path)
        assert headers["x-ai-gateway-error"] == "recorder_unavailable"
        assert "The store cannot be reached." in answer["body"]
    everything(site)


def event(site: Site, path: str) -> dict[str, Any]:
    path = f"/api/v2/aibridge/{path}"
    return {
        "path": path,
        "httpMethod": "GET",
        "headers": {"Coder-Session-Token": site.stage.secrets["auditor"]},
        "body": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"stage": "live", "path": path},
    }


async def test_a_caller_that_cannot_be_looked_up_is_told_to_come_again(
    over_table: OverTable, table: FaultyTable
) -> None:
    site = await over_table(key_cache_seconds=0.0)
    before = len(site.seen)
    for fault in STOPPING:
        with table.suffering(fault, "GetItem"):
            refused = await site.ask("chat")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1"), fault
        assert refused.headers["x-ai-gateway-error"] == "auth_unavailable"
    assert len(site.seen) == before
    await site.served()
    assert {end_of(row) for row in await site.settled()} == {("completed", None)}
