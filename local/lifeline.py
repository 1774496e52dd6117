"""A started process's side of the socket pair that ties it to the one that started it."""

import contextlib
import os
import signal
import socket
import threading

READY = b"r"


def tied(descriptor: str) -> socket.socket:
    """End this process by TERM as soon as the other side goes away, however that came about."""
    lifeline = socket.socket(fileno=int(descriptor))
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    return lifeline


def _end_with(lifeline: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while lifeline.recv(1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
