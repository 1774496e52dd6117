"""The door of Powertools Metrics: CloudWatch's metrics, as lines of the log.

CloudWatch reads them out of the log (embedded metric format), about once each: they show how
things go now, the counters in the store are exact. Each value of a dimension is a metric that is
paid for, so there are few.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, final

from aigateway.interception import Closed, Opened
from aigateway.steps import steps_of_closing
from aigateway.telemetry.journal import EmfName, Event

VALUE_CHARACTERS = 250
"""CloudWatch takes a little more (API reference, ``Dimension``: 1024, printable ASCII)."""


@final
class Figures:
    """Hands finished lines to ``write``.

    Beside the figures of a provider those of each of its models, and of each of its callers, if
    asked for.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        per_model: bool = False,
        per_initiator: bool = False,
    ) -> None:
        self._write = write
        self._per_model = per_model
        self._per_initiator = per_initiator

    def loading(self) -> Callable[[], object]:
        return _load

    def closed(self, opened: Opened, closed: Closed, *, stored: bool) -> None:
        """Tell of a record that is closed; one that could not be is an error, and no more."""
        if not stored:
            return
        provider = {"Provider": opened.provider_name}
        further = []
        if self._per_model:
            further.append({**provider, "Model": opened.model})
        if self._per_initiator:
            further.append({**provider, "InitiatorId": opened.initiator_id})
        self._tell(figures_of(opened, closed), provider, *further, interception_id=opened.id)

    def counted(self, event: Event, number: int) -> None:
        self._tell({event: number}, {})

    def ticked(self, figures: Mapping[EmfName, float], provider_name: str | None = None) -> None:
        self._tell(figures, {"ProviderName": provider_name} if provider_name else {})

    def _tell(
        self,
        figures: Mapping[EmfName, float],
        *dimensions: Mapping[str, str],
        **metadata: str,
    ) -> None:
        """Write one line with ``figures`` under each set of dimensions, the service in each."""
        from aws_lambda_powertools.metrics import EphemeralMetrics  # noqa: PLC0415 - see log.py

        from aigateway.telemetry.catalogue import (  # noqa: PLC0415 - likewise
            EMF_METRICS,
            EMF_NAMESPACE,
            EMF_SERVICE,
        )

        units = {each.name: each.unit for each in EMF_METRICS}
        metrics: Any = EphemeralMetrics(namespace=EMF_NAMESPACE, service=EMF_SERVICE)
        first, *further = ({n: _value(v) for n, v in each.items()} for each in dimensions)
        for name, value in first.items():
            metrics.add_dimension(name=name, value=value)
        for each in further:
            metrics.add_dimensions(**each, service=EMF_SERVICE)
        for name, figure in figures.items():
            metrics.add_metric(name=name, unit=units[name], value=figure)
        for name, value in metadata.items():
            metrics.add_metadata(key=name, value=value)
        self._write(json.dumps(metrics.serialize_metric_set(), separators=(",", ":")))


def figures_of(opened: Opened, closed: Closed) -> dict[EmfName, float]:
    """Return the figures of a closed record: what its counters were moved by."""
    amounts: dict[str, int] = {}
    for step in steps_of_closing(opened, closed):
        kind, mark, _ = step.attribute.partition(":")
        name = step.attribute if kind == "t" else kind + mark
        amounts[name] = amounts.get(name, 0) + step.amount
    figures: dict[EmfName, float] = {
        "Interceptions": 1,
        "Failed": amounts.get("f", 0),
        "Duration": amounts.get("ds", 0) / 1000,
        "TokensInput": amounts.get("t:input", 0),
        "TokensOutput": amounts.get("t:output", 0),
        "TokensCacheRead": amounts.get("t:cache_read_input_tokens", 0),
        "TokensCacheWrite": amounts.get("t:cache_write_input_tokens", 0),
        "Prompts": amounts.get("p", 0),
        "ToolCalls": amounts.get("n:", 0) + amounts.get("j:", 0),
        "CostMicros": amounts.get("uc", 0),
        "UsageMissing": amounts.get("um:", 0),
    }
    if closed.first_byte_at is not None:
        figures["TimeToFirstByte"] = amounts.get("bs", 0) / 1000
    return figures


def _value(text: str) -> str:
    """Return what CloudWatch takes as a dimension's value."""
    plain = "".join(each if each.isascii() and each.isprintable() else "?" for each in text)
    return plain[:VALUE_CHARACTERS].strip() or "unknown"


def _load() -> None:
    import aws_lambda_powertools.metrics  # noqa: F401, PLC0415 - to have it

    from aigateway.telemetry import catalogue  # noqa: F401, PLC0415 - likewise
