"""Stores of which some verbs fail."""

from collections.abc import Callable, Coroutine
from typing import Any, final

from aigateway.errors import LedgerFault, RecorderUnavailable
from aigateway.ledger.keeping import Keeping
from aigateway.ledger.store import Store


@final
class Breaking:
    """Stands before ``store``; a call of ``verb`` for which ``when`` holds raises ``fault``."""

    def __init__(
        self,
        store: Store,
        verb: str,
        fault: Exception | None = None,
        when: Callable[..., bool] = lambda *_: True,
    ) -> None:
        self._store = store
        self._verb = verb
        self._fault = fault or LedgerFault("broken by the test")
        self._when = when

    def keeping(self) -> Keeping:
        return self._store.keeping()

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        verb: Callable[..., Coroutine[Any, Any, Any]] = getattr(self._store, name)
        if name != self._verb:
            return verb

        async def breaks(*arguments: object) -> object:
            if self._when(*arguments):
                raise self._fault
            return await verb(*arguments)

        return breaks


@final
class Outage:
    """Stands before ``store``; while it is ``down`` no verb answers, or none of those named."""

    def __init__(self, store: Store, *verbs: str) -> None:
        self._store = store
        self._verbs = verbs
        self.down = False

    def keeping(self) -> Keeping:
        return self._store.keeping()

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        verb: Callable[..., Coroutine[Any, Any, Any]] = getattr(self._store, name)

        async def asked(*arguments: object) -> object:
            if self.down and (not self._verbs or name in self._verbs):
                raise RecorderUnavailable("silent for the test")
            return await verb(*arguments)

        return asked
