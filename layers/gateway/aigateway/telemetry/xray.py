"""The door of the X-Ray SDK, for those who must use it: AWS supports it until 2027-02-25.

Its documents know neither links nor events. What the root says becomes annotations, which are
indexed, but fifty a trace at most; what others say becomes metadata.
"""

import logging
import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any, final

from aws_xray_sdk.core.models.facade_segment import FacadeSegment
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment

from aigateway.clock import micros
from aigateway.settings import Settings
from aigateway.telemetry.sampling import ratio_of
from aigateway.telemetry.span_attributes import describe
from aigateway.telemetry.span_names import BY_NAME
from aigateway.telemetry.spans import Span, Trace
from aigateway.telemetry.trace_context import read_xray
from aigateway.telemetry.xray_daemon import Daemon

SERVICE = "ai-gateway"
logger = logging.getLogger(__name__)


@final
class XraySdk:
    """``Traces`` by the X-Ray SDK: a datagram to its daemon for each span.

    Inside Lambda the root is a child of the function's own segment; elsewhere of one of ours.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._ratio = ratio_of(environment)
        self._daemon = Daemon(environment)

    async def send(self, trace: Trace) -> None:
        """Send a trace, if it is sampled."""
        try:
            self._send(trace)
        except Exception:  # noqa: BLE001 - a request owes nothing to its trace
            logger.warning("a trace could not be made")

    def _send(self, trace: Trace) -> None:
        invocation = read_xray(self._environment.get("_X_AMZN_TRACE_ID", ""))
        if invocation is not None:
            if not invocation.is_sampled:
                return
            trace_id = f"{invocation.trace_id:032x}"
            named = f"1-{trace_id[:8]}-{trace_id[8:]}", f"{invocation.span_id:016x}"
            segment = FacadeSegment(SERVICE, named[1], named[0], sampled=True)
        else:
            if random.random() >= self._ratio:  # noqa: S311 - a sample is no secret
                return
            segment = Segment(SERVICE)
            segment.start_time = _seconds(trace.root.started_at)
        describe(trace, content=self._settings.trace_content)
        ids: dict[int, str] = {}
        documents: list[bytes] = []
        for span in trace.spans:
            above = segment.id if span.parent is None else ids[id(span.parent)]
            made = _subsegment(span, segment, above, is_root=span is trace.root)
            ids[id(span)] = made.id
            documents.append(made.serialize().encode())
        if invocation is None:
            segment.close(_seconds(trace.root.ended_at or trace.root.started_at))
            documents.append(segment.serialize().encode())
        self._daemon.send(documents)


def _subsegment(span: Span, segment: Any, above: str, *, is_root: bool) -> Any:  # noqa: ANN401 - the SDK ships no types
    kind = BY_NAME[span.name].kind
    made = Subsegment(span.name, "remote" if kind == "client" else "local", segment)
    segment.increment()
    made.parent_id = above
    made.start_time = _seconds(span.started_at)
    said = dict(span.attributes)
    if span.error_type is not None:
        said["error.type"] = span.error_type
        made.add_fault_flag()
    for name, value in said.items():
        plain = ",".join(value) if isinstance(value, tuple) else value
        if is_root:
            made.put_annotation(name.replace(".", "_"), plain)
        else:
            made.put_metadata(name, plain)
    made.close(_seconds(span.ended_at or span.started_at))
    return made


def _seconds(at: datetime) -> float:
    return micros(at) / 1_000_000
