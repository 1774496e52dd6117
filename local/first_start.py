"""What a start on this machine prepares: the first key, the provider rows, the first snapshot."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from aigateway.addresses import Network
from aigateway.caller.keys import digest, key_id_of, new_secret
from aigateway.clock import Clock
from aigateway.errors import SettingsError
from aigateway.ledger.store import Directory
from aigateway.pool.documents import split
from aigateway.pool.key_pairs import keeping_external_id, references
from aigateway.pool.providers import ProviderRow
from aigateway.pool.secrets import WritableSecrets, write_private
from aigateway.pool.stamps import stamped, unstamped
from aigateway.reload.first_key import ADMIN, first_admin, first_key_row
from local.provider_variables import Named, named_providers

REAL_SERVICES = {
    "anthropic": ("ANTHROPIC_API_KEY", "https://api.anthropic.com"),
    "openai": ("OPENAI_API_KEY", "https://api.openai.com/v1"),
}


def wanted_key(environment: Mapping[str, str]) -> str | None:
    """Return the first admin's key that the environment names. Raises ``SettingsError``."""
    wanted = environment.get("AIGW_ADMIN_KEY", "").strip() or None
    if wanted is not None and key_id_of(wanted) is None:
        raise SettingsError(
            ["AIGW_ADMIN_KEY: expected the form aigw_<16 hex digits>_<43 letters, digits, - or _>"]
        )
    return wanted


async def first_key(directory: Directory, state: Path, wanted: str | None, clock: Clock) -> str:
    """Return the admin's key: ``wanted``, else the one kept in the state directory, else a new one.

    A key that ``wanted`` replaces is revoked. A kept key that somebody revoked stays revoked.
    """
    kept = _kept_key(state / "admin.key")
    found = await directory.key(key_id_of(kept) or "") if kept else None
    is_revoked = found is not None and found[0].revoked_at is not None
    secret = wanted or (kept if kept and not is_revoked else new_secret())
    await _put_key(directory, secret, clock)
    if kept == secret:
        return secret
    write_private(state / "admin.key", secret + "\n")
    if found is not None and not is_revoked and key_id_of(secret) != found[0].id:
        await directory.put_key(replace(found[0], revoked_at=clock.now()))
    return secret


async def _put_key(directory: Directory, secret: str, clock: Clock) -> None:
    """Give the key to the admin, without an end; both are made where they are missing."""
    admin = await directory.user(ADMIN)
    if admin is None:
        admin = first_admin(secret, clock.now())
        await directory.add_user(admin)
    found = await directory.key(key_id_of(secret) or "")
    if found is None or found[0].sha256 != digest(secret) or found[0].revoked_at is not None:
        await directory.put_key(first_key_row(secret, admin.id, clock.now()))


def _kept_key(path: Path) -> str | None:
    try:
        kept = path.read_text().strip()
    except FileNotFoundError:
        return None
    return kept if key_id_of(kept) else None


def wanted_providers(environment: Mapping[str, str], provider_port: int) -> Named:
    """Return the providers of this start, keys in clear.

    Those that the environment names, else ``anthropic`` and ``openai``: the scripted provider, or
    the real service where its key is in the environment. Raises ``SettingsError``.
    """
    named = named_providers(environment)
    if named is not None:
        return named
    scripted = f"http://127.0.0.1:{provider_port}"
    defaults = []
    for name, (variable, service) in REAL_SERVICES.items():
        key = environment.get(variable, "").strip()
        real = bool(key) and key_id_of(key) is None
        base = service if real else scripted + ("/v1" if name == "openai" else "")
        keys = [key if real else f"scripted-{name}-key"]
        defaults.append({"name": name, "type": name, "base_url": base, "api_keys": keys})
    return Named(tuple(defaults), tuple(REAL_SERVICES))


async def put_providers(
    directory: Directory,
    secrets: WritableSecrets,
    wanted: Named,
    allowed: tuple[Network, ...],
    now: datetime,
) -> None:
    """Write the rows that differ from the stored ones. Raises ``SettingsError``, all at once.

    The external id that was made for a role stays; keys that are no longer named are deleted.
    """
    found = split(wanted.documents, allowed)
    if found.faults:
        raise SettingsError(
            [f"{wanted.places[position]}: {reason}" for position, reason in found.faults]
        )
    await secrets.put(found.keys)
    stored = {row.name: row for row in await directory.provider_rows(deleted=True)}
    for row in found.rows:
        name, old = row["name"], stored.get(row["name"])
        if old is None:
            await directory.put_provider(ProviderRow(name, stamped(row, None, now), 1), None)
            continue
        anew = keeping_external_id(row, old.document)
        if unstamped(old.document) != anew:
            after = stamped(anew, None if old.is_deleted else old.document, now)
            await directory.put_provider(ProviderRow(name, after, old.version + 1), old.version)
            await secrets.remove(references(name, old.document) - found.keys.keys())
