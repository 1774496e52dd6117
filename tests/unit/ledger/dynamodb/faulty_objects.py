"""A client of S3 that fails where a test wants it to."""

from collections import deque
from collections.abc import Callable
from typing import Any, final

from botocore.exceptions import ClientError

from tests.unit.ledger.dynamodb.faulty import unanswered

Calling = Callable[[], Any]


@final
class FaultyObjects:
    """Passes requests on, and notes them, but for those that a test wants to go wrong.

    ``made`` counts how often a store asked for a client.
    """

    def __init__(self, s3: Any) -> None:  # noqa: ANN401 - boto3 makes its clients' classes at run time
        self.s3 = s3
        self._faults: dict[str, deque[Callable[[Calling], Any]]] = {}
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.made = 0

    def connecting(self) -> "FaultyObjects":
        self.made += 1
        return self

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:  # noqa: ANN401 - any request, any answer
            self.sent.append((operation, request))
            faults = self._faults.get(operation)
            fault = faults.popleft() if faults else lambda calling: calling()
            return fault(lambda: getattr(self.s3, operation)(**request))

        return call

    def fails(self, operation: str, error: Exception, times: int = 1) -> None:
        """Let the next requests of this kind fail before they reach the bucket."""

        def fault(_: Calling) -> Any:  # noqa: ANN401 - it never answers
            raise error

        self._faults.setdefault(operation, deque()).extend([fault] * times)

    def works(self, operation: str) -> None:
        """Let no further request of this kind fail."""
        self._faults.pop(operation, None)

    def loses_the_reply(self, operation: str) -> None:
        """Let the next request of this kind succeed, and nobody hear of it."""

        def fault(call: Calling) -> Any:  # noqa: ANN401 - it never answers
            call()
            raise unanswered()

        self._faults.setdefault(operation, deque()).append(fault)

    def notes(self, operation: str, order: list[str]) -> None:
        """Write down in ``order`` when requests of this kind succeeded."""

        def noted(call: Calling) -> Any:  # noqa: ANN401 - any answer
            answer = call()
            order.append(operation)
            return answer

        self._faults.setdefault(operation, deque()).extend([noted] * 10)

    def requests(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.sent if name == operation]


def denial(status: int, code: str) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")
