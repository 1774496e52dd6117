"""``aigw run``: the whole product on this machine, in the foreground, on loopback only.

Three processes: gateway, control (API and schedule), scripted provider. This one binds their
sockets, prepares the store, and prints where everything is.
"""

import asyncio
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from aigateway.clock import SystemClock
from aigateway.ledger import open_store
from aigateway.pool.secrets import open_secrets
from aigateway.reload.pool import reload_of
from aigateway.settings import PREFIXES, Settings, is_local_only
from local import foreground
from local.first_start import first_key, put_providers, wanted_key, wanted_providers
from local.foreground import Child, Environment, await_ready, bound_sockets, start, stop, watch
from local.hints import printed_start
from local.metrics import with_endpoint

LOOPBACK = "127.0.0.0/8,::1/128"
OURS_ALONE = ("AIGW_ADMIN_KEY", "AIGW_PROVIDERS_JSON", "ANTHROPIC_API_KEY", "OPENAI_API_KEY")
"""Secrets that the processes of the product never see."""


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """What a start consists of beside the scripted provider.

    ``module`` serves ``gateway`` and ``control``. ``beneath`` is already running, and named when
    it dies. ``shown``: variables by which a command in another shell finds the same store.
    ``also``: what is printed below the rest once all is ready.
    """

    module: str = "local.serve"
    beneath: Sequence[Child] = ()
    shown: Mapping[str, str] = field(default_factory=dict)
    also: str = ""


def child_environment(environment: Mapping[str, str], settings: Settings) -> Environment:
    """Return what the product's processes are given: no secrets, loopback, metrics, plain text."""
    kept = {name: value for name, value in environment.items() if not _is_ours_alone(name)}
    given = kept.get("AIGW_ALLOWED_PRIVATE_CIDRS", "").strip()
    kept["AIGW_ALLOWED_PRIVATE_CIDRS"] = f"{given},{LOOPBACK}" if given else LOOPBACK
    kept["AIGW_STATE_DIR"] = str(settings.state_dir.absolute())
    if not any(prefix + "LOG_FORMAT" in environment for prefix in PREFIXES):
        kept["AIGW_LOG_FORMAT"] = "text"
    return with_endpoint(kept)


def _is_ours_alone(name: str) -> bool:
    return name in OURS_ALONE or is_local_only(name)


async def prepare(
    settings: Settings, environment: Mapping[str, str], provider_port: int
) -> tuple[str, str, str]:
    """Make store, first key, provider rows and snapshot.

    Returns the key, and name and type of the provider for the first message.
    """
    wanted = wanted_key(environment)
    providers = wanted_providers(environment, provider_port)
    clock, store = SystemClock(), open_store(settings)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    await _create_local_table(settings, environment)
    await store.start()
    try:
        key = await first_key(store, settings.state_dir, wanted, clock)
        secrets = open_secrets(settings)
        await put_providers(store, secrets, providers, settings.allowed_private_cidrs, clock.now())
        await reload_of(settings, clock).run(store)
        rows = [row.document for row in await store.provider_rows()]
    finally:
        await store.stop()
    named = [
        document["name"] for document in providers.documents if document.get("enabled") is not False
    ]
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


def run(arguments: Sequence[str] = ()) -> int:
    """Run until a signal; return the exit status."""

    def compose(environment: Environment, stopping: socket.socket) -> int:
        return serve(environment, bound_sockets(environment), stopping, Parts())

    return foreground.run("run", arguments, compose)


def serve(
    environment: Environment,
    sockets: Mapping[str, socket.socket],
    stopping: socket.socket,
    parts: Parts,
) -> int:
    """Start everything, say where it is, and run until a signal; return the exit status."""
    ports = {name: listening.getsockname()[1] for name, listening in sockets.items()}
    secret = {name: value for name, value in environment.items() if _is_ours_alone(name)}
    environment = child_environment(environment, Settings.from_env(environment))
    settings = Settings.from_env(environment)
    for name in settings.unknown:
        print(f"aigw: {name} means nothing here", file=sys.stderr)
    key, provider, kind = asyncio.run(prepare(settings, environment | secret, ports["provider"]))
    children = [
        start(name, listening, environment, "local.serve" if name == "provider" else parts.module)
        for name, listening in sockets.items()
    ]
    try:
        problem = await_ready(children)
        if problem is None:
            hints = printed_start(
                ports, key, provider, kind, state_dir=settings.state_dir, shown=parts.shown
            )
            print("\n".join(filter(None, (hints, parts.also))), flush=True)
            dead = watch([*children, *parts.beneath], stopping)
            problem = f"the {dead} ended by itself" if dead else None
    finally:
        stop(children)
    if problem is not None:
        print(f"aigw: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
