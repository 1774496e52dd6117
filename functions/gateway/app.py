"""The gateway as a function: ``app`` for the streaming runtime, ``handler`` in one piece."""

import os

from aigateway.ledger import open_store, spilled_text
from aigateway.pool.secrets import open_secrets
from aigateway.relay.assembly import build
from aigateway.settings import Settings
from aigateway.telemetry.assembly import begun
from streaming_runtime.buffered import Buffered

settings = Settings.from_env(os.environ)
journal = begun(settings, spilled_text)
app = build(settings, open_store(settings), open_secrets(settings), journal=journal)
handler = Buffered(app)
