"""The sessions API as a Lambda function behind API Gateway."""

import os

from aigateway.clock import SystemClock
from aigateway.ledger import open_store
from aigateway.sessions.api import handler_for
from aigateway.settings import Settings

settings = Settings.from_env(os.environ)
handler = handler_for(
    open_store(settings), SystemClock(), own_sessions_visible=settings.own_sessions_visible
)
handler.start()
