"""The product's processes, put together with steps at which they may die."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aigateway.clock import Clock, SystemClock
from aigateway.ledger import spilled_text
from aigateway.ledger.dynamodb.connection import Sending
from aigateway.ledger.dynamodb.lean import DYNAMODB, Lean
from aigateway.ledger.spill_file import NAME, SpillFile
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.secrets import open_secrets
from aigateway.relay.assembly import build
from aigateway.relay.aws_links import AwsLinks
from aigateway.relay.http1_upstream import Http1Upstream
from aigateway.settings import Settings
from aigateway.telemetry.assembly import begun
from aigateway.telemetry.journal import Journals
from local.crashing import App, Crash, Dying, DyingUpstream, DyingVerbs, with_dying_client
from local.spilling import Spilling
from tests.crash.broken import BROKEN, Broken, Refusing
from tests.crash.connections import DyingTable, dying_files

OUTAGE = "outage"
"""While a file of this name is in the state directory, no record can be closed."""

ORDER, VARIANT = "CRASH_ORDER", "CRASH_VARIANT"
"""Variables of these processes: the file of orders, and what is broken on purpose."""


def crash_of(environment: Mapping[str, str], process: str) -> Crash:
    return Crash(process, Path(environment[ORDER]))


def dying_gateway(environment: Mapping[str, str], *, has_disk: bool = False) -> App:
    """Return the gateway. ``has_disk``: it keeps what the store does not take in a file."""
    settings, clock = Settings.from_env(environment), SystemClock()
    crash = crash_of(environment, "gateway")
    broken = BROKEN[environment.get(VARIANT, "")]
    journals = [begun(settings, spilled_text)]
    if has_disk:
        journals.append(Spilling(dying_spill(settings, crash)))
    app = build(
        settings,
        dying_store(settings, crash, broken, _own_sending(environment, clock)),
        Dying(open_secrets(settings), "secrets", crash),
        clock,
        DyingUpstream(Http1Upstream(clock, settings.allowed_private_cidrs), crash),
        DyingVerbs(Journals(*journals), "journal", crash),
    )
    return with_dying_client(app, crash)


def _own_sending(environment: Mapping[str, str], clock: Clock) -> Sending | None:
    """Return what sends a deployed gateway's requests to the table, without the SDK."""
    if "AIGW_TABLE" not in environment:
        return None
    calls = AwsLinks(environment, clock).to(DYNAMODB)
    assert calls is not None, "this environment leaves the table to the SDK"
    return Lean(calls)


def dying_spill(settings: Settings, crash: Crash) -> Any:  # noqa: ANN401 - a file, wrapped
    """Return the file of spilled records; what is done to it are steps."""
    return DyingVerbs(SpillFile(settings.state_dir / NAME), "spill", crash)


def dying_store(
    settings: Settings,
    crash: Crash,
    broken: Broken,
    sending: Sending | None,
    clock: Clock | None = None,
) -> Any:  # noqa: ANN401 - a store, wrapped
    """Return the store of the settings, a table if there is what sends requests to it.

    Its verbs and what they write are steps.
    """
    if settings.table is None or sending is None:
        files = dying_files(crash, broken.statement)
        store: Any = SqliteStore(settings.state_dir / "ledger.db", connecting=files)
    else:
        from aigateway.ledger.dynamodb import DynamoStore  # noqa: PLC0415 - costs 150 ms

        table = DyingTable(broken.sending(sending), crash)
        store = DynamoStore(settings.table, sending=table, clock=clock, retention_days=60)
    refusing = Refusing(store, settings.state_dir / OUTAGE)
    return Dying(broken.store(refusing), "store", crash)
