"""Everything that can go wrong between the product and its table, on request."""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import count
from threading import Event, Lock
from typing import Any, final

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from aigateway.ledger.dynamodb.connection import Answering
from tests.unit.ledger.dynamodb.faulty import canceled, refusal

Answer = dict[str, Any]
Request = dict[str, Any]
Calling = Callable[[Request], Answer]
WRITES = ("PutItem", "UpdateItem", "DeleteItem")
ADDRESS = "http://127.0.0.1"
AGAIN = "again"
"""Marks the start of a page that came out empty."""


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request. ``passes``: sent again it may do well, and so it is."""

    meets: Callable[[str, Request, Calling], Answer]
    passes: bool = False


def _refused(*codes: str, passes: bool = False, message: str = "") -> Fault:
    """Answer with these errors, one after the other."""
    turns = count()

    def meets(operation: str, request: Request, call: Calling) -> Answer:
        raise refusal(codes[next(turns) % len(codes)], message)

    return Fault(meets, passes)


def _throttled(operation: str, request: Request, call: Calling) -> Answer:
    if operation == "TransactWriteItems":
        innocent = [None] * (len(request["TransactItems"]) - 1)
        raise canceled("ThrottlingError", *innocent)
    raise refusal("ProvisionedThroughputExceededException")


def _conflict(operation: str, request: Request, call: Calling) -> Answer:
    """Another transaction works on the last item of this one, or on this one item."""
    if operation == "TransactWriteItems":
        innocent = [None] * (len(request["TransactItems"]) - 1)
        raise canceled(*innocent, "TransactionConflict")
    if operation in WRITES:
        raise refusal("TransactionConflictException")
    return call(request)


def _in_progress(operation: str, request: Request, call: Calling) -> Answer:
    if operation == "TransactWriteItems":
        raise refusal("TransactionInProgressException")
    return call(request)


def _reply_lost(operation: str, request: Request, call: Calling) -> Answer:
    with suppress(ClientError):
        call(request)
    raise ConnectionClosedError(endpoint_url=ADDRESS)


def _request_lost(operation: str, request: Request, call: Calling) -> Answer:
    raise ConnectTimeoutError(endpoint_url=ADDRESS)


def _unreachable(operation: str, request: Request, call: Calling) -> Answer:
    raise EndpointConnectionError(endpoint_url=ADDRESS)


def _in_part(operation: str, request: Request, call: Calling) -> Answer:
    """Answer the first key of a batch, and leave the others over."""
    if operation != "BatchGetItem":
        return call(request)
    ((table, asked),) = request["RequestItems"].items()
    answer = call(request | {"RequestItems": {table: asked | {"Keys": asked["Keys"][:1]}}})
    rest = asked["Keys"][1:]
    return answer | ({"UnprocessedKeys": {table: {"Keys": rest}}} if rest else {})


def _empty_page(operation: str, request: Request, call: Calling) -> Answer:
    """Answer each page of a range first with none of its items, and a place to go on from."""
    if operation != "Query":
        return call(request)
    start = request.get("ExclusiveStartKey")
    if start is None or AGAIN not in start:
        return {"Items": [], "LastEvaluatedKey": {**(start or {}), AGAIN: {"S": ""}}}
    meant = {name: value for name, value in start.items() if name != AGAIN}
    plain = {name: value for name, value in request.items() if name != "ExclusiveStartKey"}
    return call(plain | ({"ExclusiveStartKey": meant} if meant else {}))


FAULTS: Mapping[str, Fault] = {
    "throttled": Fault(_throttled, passes=True),
    "too many requests": _refused("ThrottlingException", "RequestLimitExceeded", passes=True),
    "transaction conflict": Fault(_conflict, passes=True),
    "transaction in progress": Fault(_in_progress, passes=True),
    "internal error": _refused("InternalServerError", "ServiceUnavailable", passes=True),
    "reply lost": Fault(_reply_lost, passes=True),
    "request lost": Fault(_request_lost, passes=True),
    "unreachable": Fault(_unreachable, passes=True),
    "batch answered in part": Fault(_in_part, passes=True),
    "empty page": Fault(_empty_page, passes=True),
    "credentials expired": _refused("ExpiredTokenException", "UnrecognizedClientException"),
    "clock refused": _refused(
        "InvalidSignatureException", "RequestTimeTooSkewed", message="Signature expired"
    ),
    "access denied": _refused("AccessDeniedException"),
    "table missing": _refused("ResourceNotFoundException"),
}
"""Faults that one request can have by itself, by the names that people read."""

SLOW, LATE = "slow", "late arrival"
"""Faults that last for as long as a test wants."""


@final
class Slow:
    """A fault that answers nobody before it is told to."""

    def __init__(self) -> None:
        self._met, self._until = Event(), Event()
        self.fault = Fault(self._meets)

    def _meets(self, operation: str, request: Request, call: Calling) -> Answer:
        self._met.set()
        assert self._until.wait(60)
        return call(request)

    async def met(self) -> None:
        """Wait until a request is held."""
        assert await asyncio.to_thread(self._met.wait, 60)

    def release(self) -> None:
        self._until.set()


@final
@dataclass(slots=True)
class _Course:
    """A fault that happens to some requests. ``left``: to so many more."""

    fault: Fault
    places: tuple[str, ...]
    left: int | None

    def takes(self, operation: str, request: Request) -> bool:
        if self.left == 0 or not (self.places == () or self._meant(operation, request)):
            return False
        self.left = None if self.left is None else self.left - 1
        return True

    def _meant(self, operation: str, request: Request) -> bool:
        key: Request = request.get("Item") or request.get("Key") or {}
        item = "/".join(key.get(name, {}).get("S", "") for name in ("pk", "sk"))
        places = (place.partition(" ") for place in self.places)
        return any(named == operation and fnmatch(item, f"{key}*") for named, _, key in places)


@final
@dataclass(slots=True)
class FaultyTable:
    """A connection to the table; requests suffer what a test wants, all others are sent on.

    A place is an operation, or one on the items whose ``pk/sk`` begins so: ``PutItem S#*/I#``.
    """

    connection: Answering
    _courses: list[_Course] = field(default_factory=list)
    _delayed: list[tuple[str, Request]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    suffered: int = 0

    def dispatch(self, operation_name: str, operation_kwargs: Request) -> Answer:
        fault = self._fault_of(operation_name, operation_kwargs)
        if fault is None:
            return self.connection.dispatch(operation_name, operation_kwargs)
        return fault.meets(
            operation_name,
            operation_kwargs,
            lambda request: self.connection.dispatch(operation_name, request),
        )

    def _fault_of(self, operation: str, request: Request) -> Fault | None:
        """Return what happens to a request; requests come from several threads."""
        with self._lock:
            for course in self._courses:
                if course.takes(operation, request):
                    self.suffered += 1
                    return course.fault
        return None

    @contextmanager
    def suffering(
        self, fault: Fault | str, *places: str, times: int | None = None
    ) -> Iterator[None]:
        """Let a fault happen to requests at these places, or to all; ``times``: to so many."""
        course = _Course(FAULTS[fault] if isinstance(fault, str) else fault, places, times)
        self._courses.append(course)
        try:
            yield
        finally:
            self._courses.remove(course)

    def late(self) -> Fault:
        """Hold requests up for longer than they are waited for; ``arrive`` lets them through."""

        def meets(operation: str, request: Request, call: Calling) -> Answer:
            self._delayed.append((operation, request))
            raise ReadTimeoutError(endpoint_url=ADDRESS)

        return Fault(meets, passes=True)

    def arrive(self, chance: random.Random | None = None) -> list[Exception | Answer]:
        """Let all that was held up reach the table; return what it answered.

        They arrive in their order, or in any that ``chance`` makes.
        """
        delayed, self._delayed = self._delayed, []
        if chance is not None:
            chance.shuffle(delayed)
        return [self._arrived(*each) for each in delayed]

    def _arrived(self, operation: str, request: Request) -> Exception | Answer:
        try:
            return self.connection.dispatch(operation, request)
        except Exception as refused:  # noqa: BLE001 - the test looks at it
            return refused


def passing() -> list[str]:
    """Return the names of the faults that a repeat may get over."""
    return [name for name, fault in FAULTS.items() if fault.passes]
