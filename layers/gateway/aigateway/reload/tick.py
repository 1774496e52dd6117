"""One tick: provider rows → published snapshot."""

from aigateway.clock import Clock
from aigateway.ledger.store import Directory, Published
from aigateway.pool.snapshot import snapshot_document


async def reload_pool(directory: Directory, clock: Clock) -> int:
    """Publish the provider rows if they changed, and return the version in force.

    The attempt is noted before anything can fail, the success only at the end. Raises
    ``LedgerFault``: the snapshot in force then stays.
    """
    attempted_at = clock.now()
    await directory.note_reload(attempted_at, None)
    document, digest = snapshot_document(await directory.provider_rows())
    state = await directory.reload_state()
    version = state.version
    if state.digest != digest or version == 0:
        version += 1
        await directory.publish(Published(version, digest, document), state.version or None)
    await directory.note_reload(attempted_at, attempted_at)
    return version
