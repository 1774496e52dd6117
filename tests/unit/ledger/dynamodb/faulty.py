"""A connection to the table that fails where a test wants it to."""

from collections import deque
from collections.abc import Callable
from typing import Any, final

from botocore.exceptions import ClientError, ReadTimeoutError
from pynamodb.exceptions import CancellationReason, VerboseClientError

from aigateway.ledger.dynamodb.connection import Answering

Answer = dict[str, Any]
Calling = Callable[[], Answer]


@final
class FaultyConnection:
    """Passes requests on, and notes them, but for those that a test wants to go wrong.

    A fault is chosen by the operation, or ``operation:sk prefix`` where several have the same.
    """

    def __init__(self, connection: Answering) -> None:
        self._connection = connection
        self._faults: dict[str, deque[Callable[[Calling], Answer]]] = {}
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def dispatch(self, operation_name: str, operation_kwargs: dict[str, Any]) -> Answer:
        self.sent.append((operation_name, operation_kwargs))
        key = operation_kwargs.get("Item", operation_kwargs.get("Key", {})).get("sk", {})
        for name, faults in self._faults.items():
            operation, _, prefix = name.partition(":")
            if operation == operation_name and key.get("S", "").startswith(prefix) and faults:
                fault = faults.popleft()
                return fault(lambda: self._connection.dispatch(operation_name, operation_kwargs))
        return self._connection.dispatch(operation_name, operation_kwargs)

    def fails(self, operation: str, error: Exception, times: int = 1) -> None:
        """Let the next requests of this kind fail before they reach the table."""

        def fault(_: Calling) -> Answer:
            raise error

        self._faults.setdefault(operation, deque()).extend([fault] * times)

    def loses_the_reply(self, operation: str, times: int = 1) -> None:
        """Let the next requests of this kind succeed, and nobody hear of it."""

        def fault(call: Calling) -> Answer:
            call()
            raise unanswered()

        self._faults.setdefault(operation, deque()).extend([fault] * times)

    def dies_after(self, operation: str) -> None:
        """Let the next request of this kind be the last thing that its process does."""

        def fault(call: Calling) -> Answer:
            call()
            raise Died

        self._faults.setdefault(operation, deque()).append(fault)

    def answers(self, operation: str, changed: Callable[[Answer], Answer]) -> None:
        """Change the next answer of this kind."""
        self._faults.setdefault(operation, deque()).append(lambda call: changed(call()))

    def notes(self, operation: str, order: list[str]) -> None:
        """Write down in ``order`` when requests of this kind succeeded."""

        def noted(call: Calling) -> Answer:
            answer = call()
            order.append(operation)
            return answer

        self._faults.setdefault(operation, deque()).extend([noted] * 10)

    def requests(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.sent if name == operation]


class Died(BaseException):
    """The process is gone: nobody catches this."""


def unanswered() -> Exception:
    return ReadTimeoutError(endpoint_url="http://127.0.0.1")


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def canceled(*codes: str | None, message: str = "") -> VerboseClientError:
    """Return the refusal of a transaction, one reason per action."""
    return VerboseClientError(
        {"Error": {"Code": "TransactionCanceledException", "Message": ""}},
        "TransactWriteItems",
        cancellation_reasons=[
            CancellationReason(code, message) if code else None for code in codes
        ],
    )
