"""The gateway as a function: ``app`` for the streaming runtime, ``handler`` in one piece."""

import os

from aigateway.ledger import spilled_text
from aigateway.relay.assembly import gateway_of
from aigateway.settings import Settings
from aigateway.telemetry.assembly import begun
from streaming_runtime.buffered import Buffered

settings = Settings.from_env(os.environ)
journal = begun(settings, spilled_text)
app = gateway_of(settings, os.environ, journal)
handler = Buffered(app)
