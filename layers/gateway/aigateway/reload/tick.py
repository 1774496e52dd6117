"""One tick: provider rows → published snapshot."""

from aigateway.clock import Clock
from aigateway.errors import LedgerFault
from aigateway.ledger.store import Directory, Published
from aigateway.pool.snapshot import snapshot_document


async def reload_pool(directory: Directory, clock: Clock) -> int:
    """Publish the provider rows if they changed, and return the version in force.

    The time of the attempt is noted in any case, that of the success only at the end. Raises
    ``LedgerFault``: the snapshot in force then stays.
    """
    attempted_at = clock.now()
    try:
        document, digest = snapshot_document(await directory.provider_rows())
        state = await directory.reload_state()
        version = state.version
        if state.digest != digest or version == 0:
            version += 1
            await directory.publish(Published(version, digest, document), state.version or None)
    except LedgerFault:
        await directory.note_reload(attempted_at, None)
        raise
    await directory.note_reload(attempted_at, attempted_at)
    return version
