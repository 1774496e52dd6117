"""Provider keys: where they lie, and how a reference becomes a key."""

import asyncio
import fcntl
import json
import logging
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, final

from aigateway.clock import Clock, SystemClock
from aigateway.errors import SecretStoreUnavailable, SecretUnavailable
from aigateway.pool.providers import PRINTED, SecretRef
from aigateway.pool.vault import SecretsManager, Vault
from aigateway.settings import Settings

logger = logging.getLogger(__name__)
FRESH = timedelta(seconds=60)
USABLE = timedelta(minutes=15)
PAUSE = timedelta(seconds=5)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Secrets(Protocol):
    """Gives the key behind a reference.

    Raises ``SecretUnavailable``, or of its kind ``SecretStoreUnavailable`` where no key at all can
    be read.
    """

    async def key(self, ref: SecretRef) -> str: ...


class WritableSecrets(Secrets, Protocol):
    """Takes keys, too. ``reads_arns``: whether secrets of the operator's own can be read."""

    @property
    def reads_arns(self) -> bool: ...

    async def put(self, keys: Mapping[SecretRef, str]) -> None:
        """Add or replace keys. Raises ``SecretUnavailable``: some may be stored by then."""

    async def remove(self, refs: Iterable[SecretRef]) -> None:
        """Delete keys for good; one that is not there is no fault, one of an ARN stays.

        Raises ``SecretUnavailable``: some may be deleted by then.
        """


def open_secrets(
    settings: Settings, clock: Clock | None = None, vault: Vault | None = None
) -> WritableSecrets:
    """Return where the settings say that provider keys lie. Nothing is opened before its use."""
    if settings.secrets_prefix is not None:
        vault = vault or SecretsManager()
        return AwsSecrets(settings.secrets_prefix, vault, clock or SystemClock())
    return FileSecrets(settings.state_dir / "secrets.json")


@final
class FileSecrets:
    """Keys in one file that only its owner may read, beside the embedded store.

    The file is read again whenever it changed, so a replaced key is used at once.
    """

    reads_arns = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: dict[str, object] = {}
        self._stamp: tuple[int, int, int] | None = None

    async def key(self, ref: SecretRef) -> str:
        if ref.arn is not None:
            raise SecretUnavailable(
                f"the key of provider {ref.provider} lies in AWS Secrets Manager, "
                "which this deployment does not read"
            )
        try:
            await self._look()
        except FileNotFoundError:
            raise _unreadable(ref) from None
        except (OSError, ValueError):
            raise _unreadable(ref, SecretStoreUnavailable) from None
        key = self._read.get(_name(ref))
        if not isinstance(key, str) or not PRINTED.fullmatch(key):
            raise _unreadable(ref)
        return key

    async def _look(self) -> None:
        """Read the file if it changed. Raises ``OSError``, or ``ValueError`` if it is of no use."""
        seen = self._path.stat()
        stamp = (seen.st_mtime_ns, seen.st_ino, seen.st_size)
        if stamp == self._stamp:
            return
        read = json.loads(await asyncio.to_thread(self._path.read_text))
        if not isinstance(read, dict):
            raise ValueError("expected an object of keys")  # noqa: TRY004 - like what is no JSON
        self._read, self._stamp = read, stamp

    async def put(self, keys: Mapping[SecretRef, str]) -> None:
        """Refuses another kind of file. The directory must be there."""
        await asyncio.to_thread(self._change, {_name(ref): key for ref, key in keys.items()}, ())

    async def remove(self, refs: Iterable[SecretRef]) -> None:
        if names := [_name(ref) for ref in refs if ref.arn is None]:
            await asyncio.to_thread(self._change, {}, names)

    def _change(self, added: Mapping[str, str], removed: Iterable[str]) -> None:
        """Replace the file; a lock beside it makes the processes of a machine take turns."""
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            with os.fdopen(os.open(lock, os.O_WRONLY | os.O_CREAT, 0o600), "w") as turn:
                fcntl.flock(turn, fcntl.LOCK_EX)
                stored = {**self._stored(), **added}
                write_private(
                    self._path,
                    json.dumps({n: key for n, key in stored.items() if n not in removed}),
                )
        except OSError as fault:
            reason = type(fault).__name__
            raise SecretUnavailable(f"{self._path.name} cannot be written: {reason}") from None

    def _stored(self) -> dict[str, str]:
        try:
            stored = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            stored = None
        if not isinstance(stored, dict):
            raise SecretUnavailable(f"{self._path.name} does not hold the keys of providers")
        return stored


@final
class AwsSecrets:
    """Keys in Secrets Manager, each in the secret ``<prefix><provider>/<key id>`` or of an ARN.

    A key is read again once it is 60 s old; ages go by the wall clock, because a function may be
    frozen in between. While the service does not answer, a key serves up to an age of 15 min and
    the service is asked every 5 s. A secret that is gone is gone at once.
    """

    reads_arns = True

    def __init__(self, prefix: str, vault: Vault, clock: Clock) -> None:
        self._prefix = prefix
        self._vault = vault
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def key(self, ref: SecretRef) -> str:
        known = self._known.setdefault(self._place(ref), _Known())
        is_asked = known.turn.locked()
        if known.is_due(self._clock.now()) and not (is_asked and self._usable(known)):
            async with known.turn:
                if known.is_due(self._clock.now()):
                    await self._look(ref, known)
        key = self._usable(known)
        if key is None:
            raise _unreadable(ref, known.refusal)
        return key

    def _usable(self, known: "_Known") -> str | None:
        return known.key if self._clock.now() - known.read_at < USABLE else None

    async def _look(self, ref: SecretRef, known: "_Known") -> None:
        try:
            stored = await self._vault.read(self._place(ref))
        except SecretUnavailable as fault:
            logger.warning("a provider key cannot be read: %s", fault)
            known.refusal = type(fault)
        else:
            text = stored.text.strip() if stored else ""
            known.key = text if PRINTED.fullmatch(text) else None
            known.read_at, known.refusal = self._clock.now(), SecretUnavailable
        known.asked_at = self._clock.now()

    async def put(self, keys: Mapping[SecretRef, str]) -> None:
        for ref, key in keys.items():
            await self._vault.put(self._place(ref), key)
            self._known.pop(self._place(ref), None)

    async def remove(self, refs: Iterable[SecretRef]) -> None:
        for ref in refs:
            if ref.arn is None:
                await self._vault.remove(self._place(ref))
                self._known.pop(self._place(ref), None)

    def _place(self, ref: SecretRef) -> str:
        return ref.arn or self._prefix + _name(ref)


@final
class _Known:
    """One key as it was last read, and whose turn it is to read it again."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.key: str | None = None
        self.refusal = SecretUnavailable
        self.read_at = LONG_AGO
        self.asked_at = LONG_AGO

    def is_due(self, now: datetime) -> bool:
        is_fresh = self.key is not None and now - self.read_at < FRESH
        return not is_fresh and now - self.asked_at >= PAUSE


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


def _unreadable(
    ref: SecretRef, kind: type[SecretUnavailable] = SecretUnavailable
) -> SecretUnavailable:
    return kind(f"the key of provider {ref.provider} cannot be read")
