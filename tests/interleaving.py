"""A store before which something else happens."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, final

from aigateway.ledger.store import Store


@final
class Interleaving:
    """Stands before ``store``; ``meanwhile`` happens once, before the first call of ``verb``."""

    def __init__(self, store: Store, verb: str, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._store = store
        self._verb = verb
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        verb: Callable[..., Coroutine[Any, Any, Any]] = getattr(self._store, name)

        async def interleaved(*arguments: object) -> object:
            if name == self._verb and self._meanwhile is not None:
                meanwhile, self._meanwhile = self._meanwhile, None
                await meanwhile()
            return await verb(*arguments)

        return interleaved
