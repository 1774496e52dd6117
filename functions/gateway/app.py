"""The gateway as a function: ``app`` for the streaming runtime."""

import os

from aigateway.ledger import open_store
from aigateway.pool.secrets import FileSecrets
from aigateway.relay.assembly import build
from aigateway.settings import Settings

settings = Settings.from_env(os.environ)
app = build(settings, open_store(settings), FileSecrets(settings.state_dir / "secrets.json"))
