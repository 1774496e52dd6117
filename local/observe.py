"""``aigw observe``: ``aigw run`` with Prometheus, Alertmanager and a Pushgateway beside it.

The programs are those of the machine; our alert rules are loaded, and figures arrive by remote
write with every tick. What they hold stays in the state directory, below ``observe``.
"""

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from aigateway.settings import Settings
from local import foreground
from local.__main__ import Parts, serve
from local.foreground import HOST, Environment, bound_sockets, followed
from local.observe_files import alertmanager_file, prometheus_file
from local.tethered import release, tethered, wait_until_ready

ROOT = Path(__file__).parents[1]
RULES = ROOT / "dashboards" / "prometheus" / "rules.yml"
PROGRAMS = {
    "Prometheus": ("prometheus",),
    "Alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "Pushgateway": ("prometheus-pushgateway", "pushgateway"),
}
"""By what they are called on Debian, and elsewhere."""

PORTS = {
    "Prometheus": ("PROMETHEUS_PORT", 4183),
    "Alertmanager": ("ALERTMANAGER_PORT", 4184),
    "Pushgateway": ("PUSHGATEWAY_PORT", 4185),
}
INSTALLING = "apt-get install prometheus prometheus-alertmanager prometheus-pushgateway"
START_SECONDS, STOP_SECONDS = 60.0, 15.0


class NotInstalled(OSError):
    """Programs are missing; the message names them and says what to do."""


@final
@dataclass(frozen=True, slots=True)
class Observer:
    """A program to start: ``name`` as people know it, its command, and its address."""

    name: str
    command: Sequence[str]
    address: str


def run(arguments: Sequence[str] = ()) -> int:
    """Run until a signal; return the exit status."""
    return foreground.run("observe", arguments, _compose)


def _compose(environment: Environment, stopping: socket.socket) -> int:
    programs = installed()
    sockets = bound_sockets(environment)
    addresses = {name: f"{HOST}:{port}" for name, port in free_ports(environment).items()}
    home = Settings.from_env(environment).state_dir.absolute() / "observe"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    observers = prepared(home, programs, addresses)
    with ExitStack() as running:
        beneath = [
            followed(each.name, running.enter_context(_running(each, environment, home)))
            for each in observers
        ]
        figures = publishing(environment, addresses["Prometheus"])
        return serve(figures, sockets, stopping, Parts(beneath=beneath, also=_hints(addresses)))


def installed() -> dict[str, str]:
    """Return the programs by what they are called. Raises ``NotInstalled``."""
    found = {
        name: next(filter(None, map(shutil.which, called)), None)
        for name, called in PROGRAMS.items()
    }
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise NotInstalled(f"{', '.join(missing)} not found (on Debian: {INSTALLING})")
    return {name: path for name, path in found.items() if path is not None}


def free_ports(environment: Mapping[str, str]) -> dict[str, int]:
    """Return the ports of the programs. Raises ``SettingsError`` naming each that is taken."""
    sockets = bound_sockets(environment, PORTS)
    ports = {name: listening.getsockname()[1] for name, listening in sockets.items()}
    for listening in sockets.values():
        listening.close()
    return ports


def prepared(
    home: Path, programs: Mapping[str, str], addresses: Mapping[str, str]
) -> list[Observer]:
    """Write the configurations into ``home``; return what to start, in this order."""
    configuration, routes = home / "prometheus.yml", home / "alertmanager.yml"
    configuration.write_text(
        prometheus_file(RULES, addresses["Alertmanager"], addresses["Pushgateway"])
    )
    routes.write_text(alertmanager_file())
    options = {
        "Alertmanager": [
            f"--config.file={routes}",
            f"--storage.path={home / 'alertmanager'}",
            "--cluster.listen-address=",
        ],
        "Pushgateway": [f"--persistence.file={home / 'pushed'}"],
        "Prometheus": [
            f"--config.file={configuration}",
            f"--storage.tsdb.path={home / 'prometheus'}",
            "--web.enable-remote-write-receiver",
        ],
    }
    return [
        Observer(
            name,
            [programs[name], f"--web.listen-address={addresses[name]}", "--log.level=warn", *given],
            addresses[name],
        )
        for name, given in options.items()
    ]


@contextmanager
def _running(
    observer: Observer, environment: Mapping[str, str], home: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of them; what it says is appended to a log of its own."""
    clean = {name: environment[name] for name in ("PATH", "HOME") if name in environment}
    with (home / f"{observer.name.lower()}.log").open("ab") as log:
        process = tethered(observer.command, clean, log)
    try:
        ready = f"http://{observer.address}/-/ready"
        wait_until_ready(process, ready, observer.name, START_SECONDS)
        yield process
    finally:
        release(process, STOP_SECONDS)


def publishing(environment: Environment, prometheus: str) -> Environment:
    """Send figures to this Prometheus, unless the environment sends them somewhere itself.

    Two ways into one Prometheus would double every sum.
    """
    given = Settings.from_env(environment)
    if given.prom_remote_write_url or given.prom_pushgateway_url:
        return environment
    return {**environment, "AIGW_PROM_REMOTE_WRITE_URL": f"http://{prometheus}/api/v1/write"}


def _hints(addresses: Mapping[str, str]) -> str:
    prometheus, alertmanager, pushgateway = (f"http://{addresses[name]}" for name in PORTS)
    return "\n".join(
        [
            "",
            "look at figures (new ones come every minute) and at alerts:",
            f"{prometheus}/graph?g0.expr=sum%20by%20(client)%20(coder_ai_gateway_interceptions_total)",
            f"{prometheus}/alerts",
            f"{alertmanager}",
            "",
            "send figures through the Pushgateway instead: start again with",
            f"AIGW_PROM_PUSHGATEWAY_URL={pushgateway}",
        ]
    )
