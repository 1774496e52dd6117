"""A vault in memory."""

from typing import final

from aigateway.errors import SecretUnavailable
from aigateway.pool.vault import Stored


@final
class HeldVault:
    """Keeps texts by name and notes what it was asked.

    ``given``: names that exist; one without a text holds ``None``. While ``fault`` is set, every
    call of a verb in ``failing`` raises it.
    """

    def __init__(self, **given: str | None) -> None:
        self.given: dict[str, str | None] = dict(given)
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.failing: set[str] = {"read", "put", "replace", "remove"}
        self._version = 0

    def _note(self, verb: str, name: str) -> None:
        self.asked.append(f"{verb} {name}")
        if self.fault is not None and verb in self.failing:
            raise self.fault

    async def read(self, name: str) -> Stored | None:
        self._note("read", name)
        text = self.given.get(name)
        return None if text is None else Stored(text, str(self._version))

    async def put(self, name: str, text: str) -> None:
        self._note("put", name)
        self.given[name] = text
        self._version += 1

    async def remove(self, name: str) -> None:
        self._note("remove", name)
        self.given.pop(name, None)

    async def replace(self, name: str, text: str, before: Stored | None) -> bool:
        self._note("replace", name)
        if name not in self.given:
            raise SecretUnavailable(f"secret {name}: put_secret_value failed: not there")
        held = self.given[name]
        if before != (None if held is None else Stored(held, str(self._version))):
            return False
        self.given[name] = text
        self._version += 1
        return True
