"""Defects of metrics: what was refused leaves a trace, and figures and rows agree."""

import re

from aigateway.reload.publish import Publisher, Sinks
from aigateway.reload.publishing.assembly import view_of
from aigateway.settings import Settings
from tests.acceptance.stage import Stage, blocking
from tests.acceptance.words import PATHS, message, messages
from tests.clocks import HeldClock


async def published(stage: Stage) -> str:
    """Return the text of one tick."""
    sinks = Sinks(has_endpoint=True)
    publisher = Publisher(sinks, HeldClock(), view_of(Settings()), lambda: None, has_twins=True)
    assert await publisher.run(stage.store) > 0
    return (await stage.store.publisher_text("TEXT") or b"").decode()


async def test_defect_36_a_refused_request_is_a_metric(stage: Stage) -> None:
    answered = await stage.send(PATHS["messages"], b"{}", user=None)
    assert answered.status == 401
    assert 'aigw_rejected_total{reason="missing_gateway_key"} 1\n' in await published(stage)


async def test_defect_48_metrics_and_rows_agree(stage: Stage) -> None:
    for status in (200, 200, 529):
        await stage.tell("messages", messages("ping"), blocking(message(), status=status))
    text = await published(stage)
    for prefix in ("coder_ai_gateway", "coder_aibridged"):
        by_status = values_of(text, f"{prefix}_interceptions_total", "status")
        assert by_status == {"completed": 2, "failed": 1}
        tokens = values_of(text, f"{prefix}_tokens_total", "type")
        assert tokens == summed(stage) != {}


def values_of(text: str, name: str, label: str) -> dict[str, int]:
    """Return the values of a family by one of its labels."""
    found = re.findall(rf'^{name}\{{.*{label}="(\w+)"\}} (\d+)$', text, re.MULTILINE)
    return {value: int(number) for value, number in found}


def summed(stage: Stage) -> dict[str, int]:
    """Return the tokens of all records as the API tells them, by the types of the metric."""
    sums: dict[str, int] = {}
    for row in stage.get("interceptions")["results"]:
        for usage in row["token_usages"]:
            for name, kind in (("input_tokens", "input"), ("output_tokens", "output")):
                sums[kind] = sums.get(kind, 0) + usage[name]
    return {kind: count for kind, count in sums.items() if count}
