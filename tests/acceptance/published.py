"""What a stage publishes at the next tick, as text."""

import re

from aigateway.reload.publish import Publisher, Sinks
from aigateway.reload.publishing.assembly import view_of
from aigateway.settings import Settings
from tests.acceptance.stage import Stage

OURS, OLDER = "coder_ai_gateway_", "coder_aibridged_"
LINE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")


async def published(stage: Stage, *, has_twins: bool = True) -> str:
    """Return the text of one tick."""
    publisher = Publisher(
        Sinks(has_endpoint=True),
        stage.clock,
        view_of(Settings()),
        lambda: stage.reload.remembered.attempted_at,
        has_twins=has_twins,
    )
    assert await publisher.run(stage.store) > 0
    return (await stage.store.publisher_text("TEXT") or b"").decode()


async def shown(stage: Stage, name: str) -> dict[str, float]:
    """Return the series of that name: label values in the order of their names, and the value.

    Without a prefix of its own the name is one of the reference's families.
    """
    whole = name if name.startswith("aigw_") else OURS + name
    return series_of(await published(stage), whole)


def series_of(text: str, name: str) -> dict[str, float]:
    found = (LINE.fullmatch(line) for line in text.splitlines() if not line.startswith("#"))
    return {
        " ".join(re.findall(r'="([^"]*)"', each["labels"] or "")): float(each["value"])
        for each in found
        if each is not None and each["name"] == name
    }
