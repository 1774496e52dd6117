"""``GET /metrics``: the text that the publisher wrote at its last tick."""

from typing import final

from aigateway.ledger.store import Store
from aigateway.sessions.callers import Callers
from aigateway.sessions.calls import Reply, Request, Routes
from aigateway.sessions.query import nothing_asked
from aigateway.telemetry.exposition import CONTENT_TYPE


@final
class Metrics:
    """For a Prometheus that scrapes. Nothing is computed here: a scrape costs one read."""

    def __init__(self, callers: Callers, store: Store) -> None:
        self._callers = callers
        self._store = store

    def routes(self) -> Routes:
        return {"/metrics": {"GET": self.metrics}}

    async def metrics(self, request: Request) -> Reply:
        """Return the text, which is empty before the first tick."""
        await self._callers.reader_of_metrics(request)
        nothing_asked(request.parameters)
        text = await self._store.publisher_text("TEXT")
        return Reply((text or b"").decode(), text_type=CONTENT_TYPE)
