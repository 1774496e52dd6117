"""A vault of secrets in a folder: what it holds outlives the process that put it there."""

from pathlib import Path
from typing import final

from aigateway.pool.vault import Stored


@final
class FolderVault:
    """A file for each secret, below ``folder``. A version is a number that grows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "secrets-manager"

    async def read(self, name: str) -> Stored | None:
        try:
            version, _, text = (self._folder / name).read_text().partition("\n")
        except FileNotFoundError:
            return None
        return Stored(text, version) if text else None

    async def put(self, name: str, text: str) -> None:
        before = await self.read(name)
        self._write(name, text, before)

    async def replace(self, name: str, text: str, before: Stored | None) -> bool:
        if await self.read(name) != before:
            return False
        self._write(name, text, before)
        return True

    async def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def _write(self, name: str, text: str, before: Stored | None) -> None:
        version = 1 + int(before.version if before else 0)
        self._folder.mkdir(exist_ok=True)
        fresh = self._folder / f"{name}.new"
        fresh.write_text(f"{version}\n{text}")
        fresh.replace(self._folder / name)
