"""What a start on one machine says about metrics."""

from aigateway.settings import Settings
from local.metrics import with_endpoint


def test_metrics_are_served_unless_the_environment_says_otherwise() -> None:
    assert Settings.from_env(with_endpoint({})).metrics_endpoint
    for name in ("AIGW_METRICS_ENDPOINT", "CODER_AI_GATEWAY_METRICS_ENDPOINT"):
        assert not Settings.from_env(with_endpoint({name: "false"})).metrics_endpoint
