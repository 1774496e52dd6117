"""Lets what is stored expire by another retention: a walk that goes on where it was killed."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

from aigateway.clock import Clock
from aigateway.ledger.keeping import Aligned, Job, Keeping

KIND, NAME = "retention", "rewrite"
BATCH = 200


async def rewritten(
    keeping: Keeping, clock: Clock, retention: timedelta | None
) -> AsyncGenerator[Aligned, None]:
    """Align all records batch by batch; yield each.

    A rewrite for another retention begins anew; one that was killed goes on.
    """
    seconds = None if retention is None else int(retention.total_seconds())
    job = await keeping.job(KIND, NAME) or Job(KIND, NAME, 0, {})
    place = job.document.get("place") if job.document.get("seconds") == seconds else None
    while True:
        aligned = await keeping.align(retention, clock.now(), place, BATCH)
        place = aligned.place
        document = {"seconds": seconds, "place": place}
        job = replace(job, version=job.version + 1, document=document)
        await keeping.put_job(job)
        yield aligned
        if place is None:
            return
