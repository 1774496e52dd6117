"""What an operator does to the whole table."""

from typing import final

from aigateway.ledger.dynamodb.erasing import DynamoErasing
from aigateway.ledger.dynamodb.expiring import DynamoExpiring
from aigateway.ledger.dynamodb.jobs import DynamoJobs
from aigateway.ledger.dynamodb.restoring import DynamoRestoring


@final
class DynamoKeeping(DynamoRestoring, DynamoExpiring, DynamoErasing, DynamoJobs):
    """Over the table and bucket of a store."""

    async def scrub(self) -> bool:
        """Do nothing: what is deleted lies on no disk of ours."""
        return True
