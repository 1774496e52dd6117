"""A start in the foreground: ports, processes, signals.

The processes of one start are told apart by name, listen on sockets that are bound here, and live
no longer than this one. Ctrl-C or TERM ends all in order with status 0; one that dies is named and
ends all with status 1.
"""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from aigateway.errors import GatewayError, SettingsError

HOST = "127.0.0.1"
PORTS: Mapping[str, tuple[str, int]] = {
    "gateway": ("GATEWAY_PORT", 4180),
    "control": ("API_PORT", 4181),
    "provider": ("PROVIDER_PORT", 4182),
}
PORT = re.compile(r"[0-9]{1,5}")
START_SECONDS = 30.0
STOP_SECONDS = 15.0

TRACE = {"AIGW_TRACE_ENABLE": "true"}
SWITCHES: Mapping[str, Mapping[str, str]] = {
    "--trace": TRACE,
    "--trace-logs": TRACE | {"AIGW_TRACE_LOGS": "true"},
}
"""What a start takes as arguments, and the variables that each sets."""

Environment = dict[str, str]
Compose = Callable[[Environment, socket.socket], int]


@final
@dataclass(frozen=True, slots=True)
class Child:
    """A process; over ``lifeline`` it says that it is ready, and lives while it is open."""

    name: str
    process: subprocess.Popen[bytes]
    lifeline: socket.socket


def run(command: str, arguments: Sequence[str], compose: Compose) -> int:
    """Run ``compose`` with the environment and a socket that a signal makes readable.

    Returns the exit status, what is wrong having been told in one line each.
    """
    if not SWITCHES.keys() >= {*arguments}:
        print(f"aigw {command} takes {' and '.join(SWITCHES)}, nothing else", file=sys.stderr)
        return 2
    chosen = {name: value for switch in arguments for name, value in SWITCHES[switch].items()}
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        return compose(dict(os.environ) | chosen, ours)
    except SettingsError as error:
        for problem in error.problems:
            print(f"aigw: {problem}", file=sys.stderr)
    except (GatewayError, OSError) as error:
        print(f"aigw: {error}", file=sys.stderr)
    return 1


def bound_sockets(
    environment: Mapping[str, str], ports: Mapping[str, tuple[str, int]] = PORTS
) -> dict[str, socket.socket]:
    """Bind ports: by name a variable and the usual one.

    Raises ``SettingsError`` naming each that cannot be had.
    """
    sockets: dict[str, socket.socket] = {}
    problems: list[str] = []
    for name, (variable, usual) in ports.items():
        text = environment.get(variable, str(usual))
        if not PORT.fullmatch(text) or int(text) > 65_535:  # noqa: PLR2004 - the highest port
            problems.append(f"{variable}: expected a port number")
            continue
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, int(text)))
            listening.listen(2048)
        except OSError as fault:
            problems.append(
                f"port {text} of the {name} cannot be used ({fault.strerror}): set {variable}"
            )
        sockets[name] = listening
    if problems:
        for listening in sockets.values():
            listening.close()
        raise SettingsError(problems)
    return sockets


def start(
    name: str, listening: socket.socket, environment: Environment, module: str = "local.serve"
) -> Child:
    """Start one process on its socket, in a session of its own: Ctrl-C is ours alone."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", module, name, str(listening.fileno()), str(theirs.fileno())],
        env=environment,
        pass_fds=(listening.fileno(), theirs.fileno()),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )
    theirs.close()
    listening.close()
    return Child(name, process, ours)


def followed(name: str, process: subprocess.Popen[bytes]) -> Child:
    """Return a child for a process that knows no lifeline: its end closes the other side."""
    ours, theirs = socket.socketpair()

    def follow() -> None:
        process.wait()
        theirs.close()

    threading.Thread(target=follow, daemon=True).start()
    return Child(name, process, ours)


def await_ready(children: Sequence[Child]) -> str | None:
    """Wait until all are ready; return what went wrong, if anything did."""
    for child in children:
        child.lifeline.settimeout(START_SECONDS)
        try:
            said = child.lifeline.recv(1)
        except TimeoutError:
            return f"the {child.name} was not ready in time"
        if not said:
            return f"the {child.name} did not start"
    return None


def watch(children: Sequence[Child], stopping: socket.socket) -> str | None:
    """Wait for a signal, or for a process to die; return the name of the dead one."""
    with selectors.DefaultSelector() as selector:
        selector.register(stopping, selectors.EVENT_READ, None)
        for child in children:
            child.lifeline.settimeout(0)
            selector.register(child.lifeline, selectors.EVENT_READ, child.name)
        names = {key.data for key, _ in selector.select()}
    return None if None in names else next(iter(names))


def stop(children: Sequence[Child]) -> None:
    """End all, the gateway first: its streams have their records closed while the rest lives."""
    for child in children:
        child.process.send_signal(signal.SIGTERM)
        try:
            child.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child.lifeline.close()
