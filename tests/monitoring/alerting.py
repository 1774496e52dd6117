"""Prometheus and Alertmanager with the shipped rules, and what they tell a webhook.

The rules are a copy with seconds in place of minutes: how long a condition has to hold, nothing
else. Both start from the files that ``aigw observe`` writes.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, final

from local.observe import RULES
from local.observe_files import alertmanager_file, prometheus_file
from tests.monitoring.servers import HOST, Prometheus, free_port, program, running

TOLD_SECONDS = 60

HOLDS = re.compile(r"^( +for: )(\d+)m$", re.MULTILINE)


@final
@dataclass(frozen=True, slots=True)
class Told:
    """One alert of one message: ``status`` is ``firing`` or ``resolved``."""

    status: str
    labels: dict[str, str]


@final
class Alerting:
    """A server that takes remote writes, and the alerts that come of them."""

    def __init__(self, prometheus: Prometheus, told: "Queue[Told]") -> None:
        self.prometheus = prometheus
        self._told = told

    def hears(self, status: str, alertname: str, **labels: str) -> dict[str, str]:
        """Wait until an alert is told so; return its labels."""
        wanted = {"alertname": alertname, **labels}
        while True:
            told = self._told.get(timeout=TOLD_SECONDS)
            if told.status == status and wanted.items() <= told.labels.items():
                return told.labels


def seconds_for_minutes(rules: str) -> str:
    """Return rules whose conditions have to hold for so many seconds, not minutes."""
    return HOLDS.sub(r"\g<1>\g<2>s", rules)


@contextmanager
def alerting(folder: Path) -> Iterator[Alerting]:
    rules, told = folder / "rules.yml", Queue[Told]()
    rules.write_text(seconds_for_minutes(RULES.read_text(encoding="utf-8")), encoding="utf-8")
    with _webhook(told) as webhook, _alertmanager(folder, webhook) as alertmanager:
        configuration = folder / "prometheus.yml"
        configuration.write_text(prometheus_file(rules, alertmanager, every_seconds=1))
        port = free_port()
        command = [
            program("prometheus"),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            "--web.enable-remote-write-receiver",
            "--rules.alert.resend-delay=1s",  # one raised before the Alertmanager is known was lost
            "--log.level=error",
        ]
        with running(command, f"http://{HOST}:{port}/-/ready"):
            yield Alerting(Prometheus(port), told)


@contextmanager
def _alertmanager(folder: Path, webhook: str) -> Iterator[str]:
    routes, address = folder / "alertmanager.yml", f"{HOST}:{free_port()}"
    routes.write_text(alertmanager_file(webhook, together_seconds=0))
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={routes}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=error",
    ]
    with running(command, f"http://{address}/-/ready"):
        yield address


@contextmanager
def _webhook(told: "Queue[Told]") -> Iterator[str]:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            message: dict[str, Any] = json.loads(self.rfile.read(length))
            for alert in message["alerts"]:
                told.put(Told(alert["status"], alert["labels"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}/"
        server.shutdown()
        thread.join()
