"""A gateway with a bug whose words hold secrets: ``python -m tests.hostile.broken VERB SOCKET``."""

import os
import socket
import sys
from typing import cast

from aigateway.ledger import open_store
from aigateway.ledger.store import Store
from aigateway.pool.secrets import open_secrets
from aigateway.relay.assembly import build
from aigateway.settings import Settings
from aigateway.telemetry.assembly import begun
from local.serve import serve
from tests.breaking import Breaking
from tests.hostile.planted_answers import OWN, TOOL

HEADERS = {"authorization": f"Basic {TOOL}", "cookie": TOOL}
WORDS = f"cannot read {HEADERS} with {OWN}\nAuthorization: Basic {TOOL}"


def main(verb: str, descriptor: str) -> int:
    settings = Settings.from_env(os.environ)
    fault = ValueError(WORDS)
    fault.__cause__ = KeyError(OWN)
    store = cast("Store", Breaking(open_store(settings), verb, fault))
    app = build(settings, store, open_secrets(settings), journal=begun(settings))
    return serve(app, socket.socket(fileno=int(descriptor)), settings)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
