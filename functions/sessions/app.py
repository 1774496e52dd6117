"""The control plane as a Lambda function behind API Gateway."""

import os

from aigateway.clock import SystemClock
from aigateway.ledger import open_store
from aigateway.sessions.assembly import build
from aigateway.settings import Settings
from aigateway.telemetry.assembly import begun

settings = Settings.from_env(os.environ)
begun(settings)
handler = build(settings, open_store(settings), SystemClock())
handler.start()
