"""The bucket of long texts over boto3's client: attempts, and our errors instead of its.

The client is made by the first request: most processes never send one, and it takes 0.3 s.
Its own retries are off, so that a test or a reader of the code sees all there are.
"""

import asyncio
import random
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar, final

from aigateway.aws import client
from aigateway.errors import RecorderUnavailable
from aigateway.ledger.dynamodb.connection import ATTEMPTS, JITTER_SECONDS, Pause

BUSY = frozenset({408, 409, 429})
"""Statuses that may be another one a moment later, as those from 500 on: 409 is another
conditional write under way (S3 API reference, "PutObject")."""
TAKEN = 412
DELETED_KEYS = 1000
"""DeleteObjects takes so many (S3 API reference, "DeleteObjects")."""

Rule = dict[str, Any]
Answer = TypeVar("Answer")


class ObjectRefused(RecorderUnavailable):
    """The bucket said no, and would say it again."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(f"the bucket refused the request: {code}")
        self.refusal_code = code
        self.http_status = status

    @property
    def is_missing(self) -> bool:
        """The object is not there. Who may not list the bucket is told 403 instead."""
        return self.refusal_code == "NoSuchKey"


def connect() -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    return client("s3")


@final
class Bucket:
    """Requests on one bucket. Everything raises ``RecorderUnavailable``."""

    def __init__(
        self, name: str, connecting: Callable[[], Any] = connect, pause: Pause = asyncio.sleep
    ) -> None:
        self.name = name
        self._connecting = connecting
        self._pause = pause
        self._connection: Any = None
        self._lock = threading.Lock()

    async def put(self, key: str, body: bytes, sha256: str, attempts: int = ATTEMPTS) -> bool:
        """Store an object; ``False`` where one has the key: an object is never replaced.

        A repeat whose first reply was lost is told ``False`` too.
        """
        try:
            await self._ask(
                lambda s3: s3.put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=body,
                    IfNoneMatch="*",
                    ServerSideEncryption="AES256",
                    ContentType="application/octet-stream",
                    Metadata={"sha256": sha256},
                ),
                attempts,
            )
        except ObjectRefused as refused:
            if refused.http_status != TAKEN:
                raise
            return False
        return True

    async def read(self, key: str, most: int, attempts: int = ATTEMPTS) -> bytes:
        """Return an object, cut after so many bytes."""

        def body(s3: Any) -> bytes:  # noqa: ANN401 - likewise
            with closing(s3.get_object(Bucket=self.name, Key=key)["Body"]) as stream:
                return bytes(stream.read(most))

        return await self._ask(body, attempts)

    async def delete(self, prefix: str) -> int:
        """Delete the objects whose keys begin so, and return how many there were."""
        deleted = 0
        while True:
            listed = await self._ask(
                lambda s3: s3.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=DELETED_KEYS)
            )
            keys = [{"Key": each["Key"]} for each in listed.get("Contents", ())]
            if not keys:
                return deleted
            answer = await self._ask(
                lambda s3: s3.delete_objects(
                    Bucket=self.name,
                    Delete={"Objects": keys, "Quiet": True},  # noqa: B023 - awaited at once
                )
            )
            if answer.get("Errors"):
                code = str(answer["Errors"][0].get("Code", ""))
                raise RecorderUnavailable(f"the bucket deleted not all objects: {code}")
            deleted += len(keys)

    async def rules(self) -> list[Rule]:
        """Return the rules by which objects expire."""
        try:
            answer = await self._ask(
                lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=self.name)
            )
        except ObjectRefused as refused:
            if refused.refusal_code != "NoSuchLifecycleConfiguration":
                raise
            return []
        return list(answer["Rules"])

    async def set_rules(self, rules: list[Rule]) -> None:
        """Replace all rules."""
        if not rules:
            await self._ask(lambda s3: s3.delete_bucket_lifecycle(Bucket=self.name))
            return
        await self._ask(
            lambda s3: s3.put_bucket_lifecycle_configuration(
                Bucket=self.name, LifecycleConfiguration={"Rules": rules}
            )
        )

    async def _ask(self, request: Callable[[Any], Answer], attempts: int = ATTEMPTS) -> Answer:
        """Send a request that may be repeated. Raises ``ObjectRefused`` on a final no."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - dear to import

        cause: Exception | None = None
        for attempt in range(attempts):
            if attempt:
                await self._pause(random.uniform(0, JITTER_SECONDS))  # noqa: S311 - no secret
            try:
                return await asyncio.to_thread(lambda: request(self._connected()))
            except ClientError as error:
                status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
                if status not in BUSY and status < 500:  # noqa: PLR2004 - the server's own faults
                    code = str(error.response.get("Error", {}).get("Code", status))
                    raise ObjectRefused(code, status) from error
                cause = error
            except (BotoCoreError, RuntimeError) as error:  # RuntimeError: renewed, and expired
                cause = error
        raise RecorderUnavailable(f"the bucket did not answer after {attempts} tries") from cause

    def _connected(self) -> Any:  # noqa: ANN401 - likewise
        with self._lock:
            if self._connection is None:
                self._connection = self._connecting()
            return self._connection


def create_bucket(name: str, connecting: Callable[[], Any] = connect) -> None:
    """Create the bucket, or do nothing where it stands. Blocking.

    For local use: a deployed bucket comes from the template. Raises ``RecorderUnavailable``.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - likewise

    try:
        connecting().create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise RecorderUnavailable("the bucket could not be made") from error
    except BotoCoreError as error:
        raise RecorderUnavailable("the bucket could not be made") from error
