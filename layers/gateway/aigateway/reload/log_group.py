"""A log group of CloudWatch, searched for the lines of records that are not stored."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final

from aigateway.aws import client
from aigateway.errors import GatewayError

PATTERN = '{ ($.record_type = "interception_end") && ($.stored IS FALSE) }'
"""CloudWatch Logs user guide, "Using filter patterns to match terms in JSON log events"."""
EVENTS_A_PAGE = 100
ATTEMPTS = 3
READ_SECONDS = 10.0


@final
class LogUnreadable(GatewayError):
    """The log group does not answer, or may not be read."""


@final
@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines, each with its time in milliseconds, and where the next page begins."""

    lines: tuple[tuple[int, str], ...]
    token: str | None


class LogGroup(Protocol):
    """Lines that say that a record is not stored."""

    async def page(self, since_ms: int, until_ms: int, token: str | None) -> LogPage:
        """Return one page of a search, oldest first. Raises ``LogUnreadable``.

        A page may be empty and not the last one.
        """


@final
class CloudWatchGroup:
    """The group of that name, asked off the event loop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: Any = None
        self._making = threading.Lock()

    async def page(self, since_ms: int, until_ms: int, token: str | None) -> LogPage:
        asked = {
            "logGroupName": self._name,
            "startTime": since_ms,
            "endTime": until_ms,
            "filterPattern": PATTERN,
            "limit": EVENTS_A_PAGE,
        }
        answer = await asyncio.to_thread(
            self._send, asked | ({"nextToken": token} if token else {})
        )
        lines = tuple((event["timestamp"], event["message"]) for event in answer.get("events", ()))
        return LogPage(lines, answer.get("nextToken"))

    def _send(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import (  # noqa: PLC0415 - only those pay who have a log group
            BotoCoreError,
            ClientError,
        )

        try:
            with self._making:
                self._client = self._client or client(
                    "logs", attempts=ATTEMPTS, read_seconds=READ_SECONDS
                )
            answer: dict[str, Any] = self._client.filter_log_events(**asked)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            raise LogUnreadable(f"log group {self._name}: {code}") from error
        except BotoCoreError as error:
            raise LogUnreadable(f"log group {self._name}: {type(error).__name__}") from error
        return answer
