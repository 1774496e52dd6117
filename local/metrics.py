"""What a start on this machine and a container add to their environment."""

from collections.abc import Mapping

from aigateway.settings import PREFIXES

ENDPOINT = "METRICS_ENDPOINT"


def with_endpoint(environment: Mapping[str, str]) -> dict[str, str]:
    """Serve ``/metrics`` unless the environment says otherwise, under whichever of its names."""
    if any(prefix + ENDPOINT in environment for prefix in PREFIXES):
        return dict(environment)
    return {**environment, f"{PREFIXES[0]}{ENDPOINT}": "true"}
