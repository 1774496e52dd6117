"""What is published: rows 68 and 76 of the acceptance table, and defects of metrics."""

from typing import Any

import pytest

from aigateway.pool.providers import ProviderRow
from tests.acceptance.published import OLDER, OURS, published, series_of, shown
from tests.acceptance.stage import Stage, blocking
from tests.acceptance.words import PATHS, message, messages, text, tool_use


async def test_row_68_a_removed_providers_series_ends_with_the_next_success(stage: Stage) -> None:
    await stage.add_provider("gone", "anthropic", "https://gone.example")
    (row,) = [row for row in await stage.store.provider_rows() if row.name == "gone"]
    deleted = {**row.document, "deleted_at": "2026-11-24T12:00:00Z"}
    await stage.store.put_provider(ProviderRow("gone", deleted, 2), 1)
    assert (await shown(stage, "provider_info"))["gone anthropic enabled"] == 1
    await stage.reload.run(stage.store)
    found = await shown(stage, "provider_info")
    assert found == {"anthropic anthropic enabled": 1, "openai openai enabled": 1}
    assert not [labels for labels in await shown(stage, "key_pool_state") if "gone" in labels]


@pytest.mark.parametrize("has_twins", [True, False])
async def test_row_76_each_sample_has_an_equal_twin_but_those_of_cost_control(
    stage: Stage, *, has_twins: bool
) -> None:
    await stage.tell("messages", messages("go"), blocking(message(text("ok"), tool_use("t1"))))
    await stage.send(PATHS["messages"], b"{}", user=None)
    stage.peer.scripts.append(blocking({"data": []}))
    await stage.send("/openai/v1/models", method="GET")
    priceless = message(model="model-without-a-price")
    await stage.tell("messages", messages("go", model="model-without-a-price"), blocking(priceless))
    lines = (await published(stage, has_twins=has_twins)).splitlines()
    ours = {line.removeprefix(OURS) for line in lines if line.startswith(OURS)}
    older = {line.removeprefix(OLDER) for line in lines if line.startswith(OLDER)}
    alone = {line for line in ours if line.startswith("cost_control_")}
    assert len(ours) > 40
    assert len(alone) == 1
    assert older == (ours - alone if has_twins else set())


async def test_defect_35_routes_are_templates_and_invented_models_share_a_name(
    stage: Stage,
) -> None:
    for number in range(3):
        refused = blocking({"error": {"message": "no such model"}}, 404)
        await stage.tell("messages", messages("go", model=f"invented-{number}"), refused)
        stage.peer.scripts.append(blocking({"id": "m"}))
        await stage.send(f"/openai/v1/models/{number}?x={number}", method="GET")
    assert await shown(stage, "interceptions_total") == {
        "Unknown u-alice POST other anthropic /v1/messages failed": 3
    }
    assert await shown(stage, "passthrough_total") == {"GET openai /v1/models/*": 3}


async def test_defect_36_a_refused_request_is_a_metric(stage: Stage) -> None:
    answered = await stage.send(PATHS["messages"], b"{}", user=None)
    assert answered.status == 401
    assert await shown(stage, "aigw_rejected_total") == {"missing_gateway_key": 1}


async def test_defect_48_metrics_and_rows_agree(stage: Stage) -> None:
    for status in (200, 200, 529):
        await stage.tell("messages", messages("ping"), blocking(message(), status=status))
    await stage.tell("messages", messages("ping", model="other-model"), blocking(message()))
    whole = await published(stage)
    for prefix in (OURS, OLDER):
        by_status = summed(series_of(whole, f"{prefix}interceptions_total"))
        assert by_status == {"completed": 3, "failed": 1}
        tokens = summed(series_of(whole, f"{prefix}tokens_total"))
        assert tokens == tokens_of_records(stage) != {}


def summed(series: dict[str, float]) -> dict[str, float]:
    """Return sums by the label whose name comes last."""
    sums: dict[str, float] = {}
    for labels, value in series.items():
        last = labels.split()[-1]
        sums[last] = sums.get(last, 0) + value
    return sums


def tokens_of_records(stage: Stage) -> dict[str, float]:
    """Return the tokens of all records as the API tells them, by the types of the metric."""
    sums: dict[str, float] = {}
    for row in stage.get("interceptions")["results"]:
        for usage in row["token_usages"]:
            for name, kind in (("input_tokens", "input"), ("output_tokens", "output")):
                sums[kind] = sums.get(kind, 0) + usage[name]
    return {kind: count for kind, count in sums.items() if count}


async def test_defect_51_tokens_and_tools_are_of_the_asked_model_and_no_series_is_0(
    stage: Stage,
) -> None:
    served: dict[str, Any] = message(
        tool_use("t1"), model="served-model", usage={"input_tokens": 5, "output_tokens": 0}
    )
    await stage.tell("messages", messages("go", model="asked-model"), blocking(served))
    assert await shown(stage, "tokens_total") == {"Unknown u-alice asked-model anthropic input": 5}
    tools = {"asked-model Read anthropic": 1}
    assert await shown(stage, "non_injected_tool_selections_total") == tools
    (record,) = stage.get("interceptions")["results"]
    assert record["token_usages"][0]["provider_model"] == "served-model"
    whole = await published(stage)
    assert "served-model" not in whole
    counters = [line for line in whole.splitlines() if "_total" in line and line[0] != "#"]
    assert len(counters) == 9
    assert not [line for line in counters if line.endswith(" 0")]
