"""Datagrams to X-Ray's daemon, which answers none (X-Ray developer guide, "daemon")."""

import socket
from collections.abc import Iterable, Mapping
from typing import final

VARIABLE = "AWS_XRAY_DAEMON_ADDRESS"
USUAL = "127.0.0.1:2000"
HEADER = b'{"format":"json","version":1}\n'
DATAGRAM_BYTES = 64_000


@final
class Daemon:
    """Where the daemon listens: in Lambda, or as an operator says."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        host, _, port = (environment.get(VARIABLE) or USUAL).rpartition(":")
        self._address = host, int(port)

    def send(self, documents: Iterable[bytes]) -> None:
        """Send each in a datagram of its own; one that is too long for it is lost.

        Raises ``OSError``.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)  # noqa: FBT003 - the library's form
            for document in documents:
                if len(document) <= DATAGRAM_BYTES:
                    sending.sendto(HEADER + document, self._address)
