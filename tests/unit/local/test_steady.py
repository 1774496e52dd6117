"""What a served process does before its first request, seen from within it."""

import http.client
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import gc, socket, sys
from aigateway.settings import Settings
from local.serve import serve

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    told = str(gc.get_freeze_count()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told})

sys.exit(serve(app, socket.socket(fileno=int(sys.argv[1])), Settings()))
"""


def test_what_was_loaded_at_the_start_is_left_out_of_later_collections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(listening.fileno())],
            pass_fds=(listening.fileno(),),
            env={"PYTHONPATH": f"{ROOT}/layers/gateway:{ROOT}"},
        )
        _, port = listening.getsockname()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", "/")
            frozen = int(connection.getresponse().read())
        finally:
            connection.close()
            process.terminate()
            process.wait(20)
    assert frozen > 10_000
