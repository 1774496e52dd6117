"""What a process does that nobody started for it."""

import asyncio
import socket
from pathlib import Path

import pytest

from aigateway.errors import SettingsError
from aigateway.ledger import open_store
from aigateway.settings import Settings
from local.container import listening_at, prepare

KEY = "aigw_00112233445566aa_" + "k" * 43


def test_a_taken_address_is_named_by_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings.from_env({"AIGW_HTTP_ADDRESS": address})
        with pytest.raises(SettingsError) as raised:
            listening_at("gateway", settings)
    assert raised.value.problems[0].startswith("AIGW_HTTP_ADDRESS: ")


async def test_a_small_write_on_an_accepted_connection_does_not_wait_for_the_one_before() -> None:
    """A kernel that gathers small writes holds an event back until the head is acknowledged."""
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    listening = listening_at("gateway", Settings.from_env({"AIGW_HTTP_ADDRESS": "127.0.0.1:0"}))
    async with await asyncio.start_server(lambda _, writer: accepted.put(writer), sock=listening):
        _, client = await asyncio.open_connection(*listening.getsockname())
        served = await accepted.get()
        connection = served.get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for writer in (client, served):
            writer.close()
            await writer.wait_closed()


async def test_the_first_key_is_made_and_no_provider_that_nobody_named(tmp_path: Path) -> None:
    settings = Settings.from_env({"AIGW_STATE_DIR": str(tmp_path / "state")})
    await prepare(settings, {"AIGW_ADMIN_KEY": KEY})
    await prepare(settings, {"AIGW_ADMIN_KEY": KEY})
    store = open_store(settings)
    await store.start()
    found = await store.key("00112233445566aa")
    rows = await store.provider_rows()
    await store.stop()
    assert found is not None
    assert rows == ()
    assert (tmp_path / "state" / "admin.key").read_text().strip() == KEY


async def test_where_a_secret_takes_the_first_key_none_is_made_here(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    settings = Settings.from_env({"AIGW_STATE_DIR": state, "AIGW_ADMIN_KEY_SECRET": "any"})
    await prepare(settings, {})
    assert not (tmp_path / "state" / "admin.key").exists()


async def test_a_key_of_another_form_is_refused(tmp_path: Path) -> None:
    settings = Settings.from_env({"AIGW_STATE_DIR": str(tmp_path)})
    with pytest.raises(SettingsError):
        await prepare(settings, {"AIGW_ADMIN_KEY": "sk-any"})
