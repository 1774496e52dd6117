"""Provider keys: where they lie, and how a reference becomes a key."""

import asyncio
import json
import os
from pathlib import Path
from typing import Protocol, final

from aigateway.errors import SecretUnavailable
from aigateway.pool.providers import SecretRef


class Secrets(Protocol):
    """Gives the key behind a reference. Raises ``SecretUnavailable``."""

    async def key(self, ref: SecretRef) -> str: ...


@final
class FileSecrets:
    """Keys in one file that only its owner may read, beside the embedded store.

    The file is read again whenever it changed, so a replaced key is used at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: dict[str, str] = {}
        self._stamp: tuple[int, int, int] | None = None

    async def key(self, ref: SecretRef) -> str:
        try:
            seen = self._path.stat()
            stamp = (seen.st_mtime_ns, seen.st_ino, seen.st_size)
            if stamp != self._stamp:
                self._read = json.loads(await asyncio.to_thread(self._path.read_text))
                self._stamp = stamp
            return self._read[_name(ref)]
        except (OSError, ValueError, LookupError, TypeError):
            raise SecretUnavailable(f"the key of provider {ref.provider} cannot be read") from None

    def put(self, keys: dict[SecretRef, str]) -> None:
        """Add or replace keys. Blocking. Raises ``SecretUnavailable`` for another kind of file."""
        try:
            stored = json.loads(self._path.read_text())
        except FileNotFoundError:
            stored = {}
        except ValueError:
            stored = None
        if not isinstance(stored, dict):
            raise SecretUnavailable(f"{self._path.name} does not hold the keys of providers")
        stored |= {_name(ref): key for ref, key in keys.items()}
        write_private(self._path, json.dumps(stored))


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner only, durable on return."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _name(ref: SecretRef) -> str:
    return f"{ref.provider}/{ref.key_id}"
