"""The shipped alert rules ask for what there is, and each is tried and explained."""

import pytest

from tests.alert_rules import ALERTS, TRIED
from tests.dashboards import ROOT
from tests.promql import faults_of

PAGE = (ROOT / "docs" / "operations" / "alerts.md").read_text(encoding="utf-8")
CRITICAL = {
    "AIGatewayPublisherSilent",
    "AIGatewayReloadFailing",
    "AIGatewayRecorderErrors",
    "AIGatewayProxyReloadFailing",
}


def test_the_two_alerts_that_everybody_has_are_those_of_the_reference() -> None:
    """As the reference product's monitoring page (coder/coder) gives them, to the character."""
    not_enabled = ALERTS["AIGatewayProviderNotEnabled"]["expr"]
    assert not_enabled == (
        'sum by (provider_name, status) (coder_ai_gateway_provider_info{status!="enabled"}) > 0'
    )
    failing = ALERTS["AIGatewayReloadFailing"]["expr"]
    assert failing == (
        "(coder_ai_gateway_providers_last_reload_timestamp_seconds"
        " - coder_ai_gateway_providers_last_reload_success_timestamp_seconds) > 300"
    )


@pytest.mark.parametrize("name", ["ProviderNotEnabled", "ReloadFailing"])
def test_the_proxy_has_the_same_two(name: str) -> None:
    own, proxy = ALERTS[f"AIGateway{name}"], ALERTS[f"AIGatewayProxy{name}"]
    assert proxy["expr"] == own["expr"].replace("coder_ai_gateway_", "coder_ai_gateway_proxy_")
    assert (proxy["for"], proxy["labels"]) == (own["for"], own["labels"])


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_asks_for_series_and_labels_that_there_are(name: str) -> None:
    assert faults_of(ALERTS[name]["expr"]) == []


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_it_means(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"] == {"severity": "critical" if name in CRITICAL else "warning"}
    assert rule["annotations"].keys() == {"summary", "description"}
    assert f"## {name.replace('AIGatewayProxy', 'AIGateway')}\n" in PAGE


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tried_firing_and_ended(name: str) -> None:
    for test in TRIED:
        tried = [each for each in test["alert_rule_test"] if each["alertname"] == name]
        fires = [bool(each["exp_alerts"]) for each in tried]
        if any(fires) and not fires[-1]:
            return
    pytest.fail("no test in which it fires and then ends")
