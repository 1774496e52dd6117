"""Which share of new traces is sampled, by the variable that OpenTelemetry's SDKs share."""

import logging
from collections.abc import Mapping

VARIABLE = "OTEL_TRACES_SAMPLER_ARG"
logger = logging.getLogger(__name__)


def ratio_of(environment: Mapping[str, str]) -> float:
    """Return a number from 0 to 1; it is 1 if nothing sensible is said."""
    try:
        ratio = float(environment.get(VARIABLE) or 1)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        logger.warning("%s: expected a number from 0 to 1", VARIABLE)
        return 1.0
    return ratio
