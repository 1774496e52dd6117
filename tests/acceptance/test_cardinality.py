"""Names that callers and providers invent, thousands of them, and how many series they make.

`make exact` invents 10,000 of each kind, `make test` a tenth of it.
"""

import json
import os
import re

from tests.acceptance.published import OLDER, OURS, published, series_of
from tests.acceptance.stage import Stage, blocking
from tests.acceptance.words import PATHS, message, messages, tool_use

INVENTED = int(os.environ.get("EXACT_NAMES", "1000"))
PLACES = 200
CLAIMED = (
    "user-agent",
    "originator",
    "x-user",
    "x-user-id",
    "x-initiator",
    "x-initiator-id",
    "x-ai-bridge-actor-id",
    "x-ai-bridge-actor-metadata-username",
    "x-session-id",
    "x-claude-code-session-id",
)
NOT_FOUND = {"error": {"type": "not_found_error", "message": "no such model"}}


async def live(stage: Stage, number: int) -> None:
    """Ask for a model of its own, as a client and a user of its own, of whom the gateway knows one.

    Every other one is served, with a tool of its own name.
    """
    request = json.dumps(messages("go", model=f"model-{number}")).encode()
    served = blocking(message(tool_use("t", name=f"tool-{number}")))
    stage.peer.scripts.append(served if number % 2 else blocking(NOT_FOUND, 404))
    claims = dict.fromkeys(CLAIMED, f"invented-{number}")
    await stage.send(PATHS["messages"], request, claims)
    stage.peer.scripts.append(blocking({"id": "m"}))
    await stage.send(f"/openai/v1/models/m-{number}?q={number}", method="GET", headers=claims)
    await stage.send(f"/nowhere-{number}/v1/messages", request, claims)
    stage.peer.seen.clear()


async def test_defect_35_invented_names_make_no_series_past_the_caps(stage: Stage) -> None:
    for number in range(INVENTED):
        await live(stage, number)
    rows = (await stage.store.counters()).keys()
    first = await published(stage)
    ended = f"{OURS}interceptions_total"
    found = series_of(first, ended)
    assert sum(found.values()) == INVENTED
    assert set(values_of(first, "model")) == {*named(PLACES), "other"}
    assert values_of(first, "client") == {"Unknown"}
    assert values_of(first, "initiator_id") == {"u-alice"}
    assert len(values_of(first, "name")) == PLACES + 1
    assert sum(series_of(first, f"{OURS}non_injected_tool_selections_total").values()) == (
        INVENTED // 2
    )
    assert values_of(first, "reason") == {"route_not_supported"}
    assert series_of(first, f"{OURS}passthrough_total") == {"GET openai /v1/models/*": INVENTED}
    assert len(re.findall(r"^\w", first, re.MULTILINE)) < 15_000
    for _ in range(3):
        again = await published(stage)
        for prefix in (OURS, OLDER):
            assert series_of(again, ended.replace(OURS, prefix)) == found
    assert len(await stage.store.counters()) < len(rows) - 3 * 50


def values_of(text: str, label: str) -> set[str]:
    """Return the values of a label in whatever series."""
    return set(re.findall(rf'[{{,]{label}="([^"]*)"', text))


def named(places: int) -> list[str]:
    """Return the served models that get a place, in the order of their counters' names."""
    return sorted(f"model-{number}" for number in range(1, INVENTED, 2))[:places]
