"""Work that outlives a process: one item each, all in one partition."""

import json

from aigateway.errors import Conflict
from aigateway.ledger.dynamodb.connection import Range
from aigateway.ledger.dynamodb.ground import Ground
from aigateway.ledger.dynamodb.refusals import Refused
from aigateway.ledger.expressions import ABSENT, Condition, Item, Put
from aigateway.ledger.keeping import Job

JOBS = "JOB"


class DynamoJobs(Ground):
    """Read consistently, changed under the condition of the version before."""

    async def job(self, kind: str, name: str) -> Job | None:
        item = await self._table.read((JOBS, f"{kind}#{name}"))
        return None if item is None else _job(item)

    async def jobs(self, kind: str) -> tuple[Job, ...]:
        items = await self._table.all(Range(JOBS, f"{kind}#", f"{kind}#~"))
        return tuple(_job(item) for item in items)

    async def put_job(self, job: Job) -> None:
        before = {"ve": job.version - 1}
        condition = ABSENT if job.version == 1 else Condition("#ve = :ve", before)
        item = {
            "pk": JOBS,
            "sk": f"{job.kind}#{job.name}",
            "ve": job.version,
            "doc": json.dumps(dict(job.document)),
        }
        try:
            await self._table.put(Put(item, condition))
        except Refused as refused:
            if not refused.is_condition:
                raise
            raise Conflict("the job was changed meanwhile") from refused


def _job(item: Item) -> Job:
    kind, _, name = str(item["sk"]).partition("#")
    return Job(kind, name, item["ve"], json.loads(item["doc"]))
