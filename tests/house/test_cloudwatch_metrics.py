"""CloudWatch's metrics are few, since each is paid for, and the documentation counts them."""

import re

from aigateway.telemetry.catalogue import EMF_METRICS, EMF_NAMESPACE
from tests.dashboards import ROOT

PAGE = (ROOT / "docs" / "operations" / "alerts.md").read_text(encoding="utf-8")


def test_each_metric_has_one_name_and_the_service_as_a_dimension() -> None:
    names = [each.name for each in EMF_METRICS]
    assert len(names) == len(set(names))
    assert all(each.dimensions[-1] == "service" for each in EMF_METRICS)
    assert {len(each.dimensions) for each in EMF_METRICS} == {1, 2}
    assert EMF_NAMESPACE == "AIGateway"


def test_no_metric_depends_on_who_calls() -> None:
    """Users would make as many metrics as there are of them; that is a matter of a setting."""
    assert {each for metric in EMF_METRICS for each in metric.dimensions} == {
        "Provider",
        "ProviderName",
        "service",
    }


def test_the_documented_number_is_the_number() -> None:
    of_deployment = sum(1 for each in EMF_METRICS if each.dimensions == ("service",))
    of_provider = len(EMF_METRICS) - of_deployment
    assert f"There are {of_provider} per provider and {of_deployment} for the deployment" in PAGE
    [(users, providers, metrics, dollars)] = re.findall(
        r"with (\d+) users and (\d+) providers (\d+) metrics, about \$(\d+) a month",
        PAGE.replace("\n", " "),
    )
    assert int(users) == 50
    assert int(metrics) == of_provider * int(providers) + of_deployment
    assert int(dollars) == round(int(metrics) * 0.30)
