"""``aigw run``: the whole product on this machine, in the foreground, on loopback only.

Three processes: gateway, control (API and schedule), scripted provider. This one binds their
sockets, prepares the store, prints where everything is, and owns the signals: Ctrl-C or TERM ends
all in order with status 0; a process that dies is named and ends all with status 1.
"""

import asyncio
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from aigateway.caller.keys import key_id_of
from aigateway.clock import SystemClock
from aigateway.errors import GatewayError, SettingsError
from aigateway.ledger import open_store
from aigateway.pool.secrets import open_secrets
from aigateway.reload.tick import reload_pool
from aigateway.settings import Settings
from local.first_start import first_key, put_providers, wanted_providers
from local.hints import printed_start

HOST = "127.0.0.1"
PORTS = {
    "gateway": ("GATEWAY_PORT", 4180),
    "control": ("API_PORT", 4181),
    "provider": ("PROVIDER_PORT", 4182),
}
PORT = re.compile(r"[0-9]{1,5}")
LOOPBACK = "127.0.0.0/8,::1/128"
OURS_ALONE = ("AIGW_ADMIN_KEY", "AIGW_PROVIDERS_JSON", "ANTHROPIC_API_KEY", "OPENAI_API_KEY")
"""Secrets that the processes of the product never see."""

START_SECONDS = 30.0
STOP_SECONDS = 15.0


@final
@dataclass(frozen=True, slots=True)
class Child:
    """A started process; over ``lifeline`` it says that it is ready, and lives while it is open."""

    name: str
    process: subprocess.Popen[bytes]
    lifeline: socket.socket


def bound_sockets(environment: Mapping[str, str]) -> dict[str, socket.socket]:
    """Bind all three ports. Raises ``SettingsError`` naming each that cannot be had."""
    sockets: dict[str, socket.socket] = {}
    problems: list[str] = []
    for name, (variable, usual) in PORTS.items():
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


def child_environment(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Return the environment of the product's processes: without secrets, loopback allowed."""
    kept = {name: value for name, value in environment.items() if name not in OURS_ALONE}
    given = kept.get("AIGW_ALLOWED_PRIVATE_CIDRS", "").strip()
    kept["AIGW_ALLOWED_PRIVATE_CIDRS"] = f"{given},{LOOPBACK}" if given else LOOPBACK
    kept["AIGW_STATE_DIR"] = str(settings.state_dir.absolute())
    return kept


async def prepare(
    settings: Settings, environment: Mapping[str, str], provider_port: int
) -> tuple[str, str, str]:
    """Make store, first key, provider rows and snapshot.

    Returns the key, and name and type of the provider for the first message.
    """
    wanted = environment.get("AIGW_ADMIN_KEY", "").strip() or None
    if wanted is not None and key_id_of(wanted) is None:
        raise SettingsError(
            ["AIGW_ADMIN_KEY: expected the form aigw_<16 hex digits>_<43 letters, digits, - or _>"]
        )
    documents = wanted_providers(environment, provider_port)
    clock, store = SystemClock(), open_store(settings)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    await _create_local_table(settings, environment)
    await store.start()
    try:
        key = await first_key(store, settings.state_dir, wanted, clock)
        secrets = open_secrets(settings)
        await put_providers(store, secrets, documents, settings.allowed_private_cidrs)
        await reload_pool(store, clock)
        rows = [row.document for row in await store.provider_rows()]
    finally:
        await store.stop()
    named = [document["name"] for document in documents if document.get("enabled") is not False]
    enabled = [r for r in rows if r.get("enabled") is not False]
    first = next((r for r in enabled if r["name"] in named), enabled[0] if enabled else {})
    return key, str(first.get("name", "anthropic")), str(first.get("type", "anthropic"))


async def _create_local_table(settings: Settings, environment: Mapping[str, str]) -> None:
    endpoint = environment.get("AWS_ENDPOINT_URL_DYNAMODB") or environment.get("AWS_ENDPOINT_URL")
    if settings.table is None or endpoint is None:
        return
    if not endpoint.startswith(("http://127.", "http://localhost", "http://[::1]")):
        return
    from aigateway.ledger.dynamodb.bucket import create_bucket  # noqa: PLC0415 - costs 150 ms
    from aigateway.ledger.dynamodb.table import create_table  # noqa: PLC0415 - likewise

    await asyncio.to_thread(create_table, settings.table)
    if settings.payload_bucket is not None:
        await asyncio.to_thread(create_bucket, settings.payload_bucket)


def start(name: str, listening: socket.socket, environment: dict[str, str]) -> Child:
    """Start one process on its socket, in a session of its own: Ctrl-C is ours alone."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: S603 - our own module
        [
            sys.executable,
            "-m",
            "local.serve",
            name,
            str(listening.fileno()),
            str(theirs.fileno()),
        ],
        env=environment,
        pass_fds=(listening.fileno(), theirs.fileno()),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )
    theirs.close()
    listening.close()
    return Child(name, process, ours)


def await_ready(children: list[Child]) -> str | None:
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


def watch(children: list[Child], stopping: socket.socket) -> str | None:
    """Wait for a signal, or for a process to die; return the name of the dead one."""
    with selectors.DefaultSelector() as selector:
        selector.register(stopping, selectors.EVENT_READ, None)
        for child in children:
            child.lifeline.settimeout(0)
            selector.register(child.lifeline, selectors.EVENT_READ, child.name)
        names = {key.data for key, _ in selector.select()}
    return None if None in names else next(iter(names))


def stop(children: list[Child]) -> None:
    """End all, the gateway first: its streams have their records closed while the rest lives."""
    for child in children:
        child.process.send_signal(signal.SIGTERM)
        try:
            child.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child.lifeline.close()


def run(arguments: list[str] | None = None) -> int:
    """Run until a signal; return the exit status."""
    if arguments:
        print("aigw run takes no arguments", file=sys.stderr)
        return 2
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        return _run(dict(os.environ), ours)
    except SettingsError as error:
        for problem in error.problems:
            print(f"aigw: {problem}", file=sys.stderr)
    except (GatewayError, OSError) as error:
        print(f"aigw: {error}", file=sys.stderr)
    return 1


def _run(environment: dict[str, str], stopping: socket.socket) -> int:
    sockets = bound_sockets(environment)
    ports = {name: listening.getsockname()[1] for name, listening in sockets.items()}
    settings = Settings.from_env(environment)
    environment = child_environment(environment, settings) | {
        name: environment[name] for name in OURS_ALONE if name in environment
    }
    settings = Settings.from_env(environment)
    for name in settings.unknown:
        print(f"aigw: {name} means nothing here", file=sys.stderr)
    key, provider, kind = asyncio.run(prepare(settings, environment, ports["provider"]))
    for name in OURS_ALONE:
        environment.pop(name, None)
    children = [start(name, listening, environment) for name, listening in sockets.items()]
    try:
        problem = await_ready(children)
        if problem is None:
            hints = printed_start(ports, key, provider, kind, state_dir=settings.state_dir)
            print(hints, flush=True)
            dead = watch(children, stopping)
            problem = f"the {dead} ended by itself" if dead else None
    finally:
        stop(children)
    if problem is not None:
        print(f"aigw: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
