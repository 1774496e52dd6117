"""The first steps of a start: ports, environment, what is prepared."""

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from aigateway.errors import SettingsError
from aigateway.settings import Settings
from local.__main__ import OURS_ALONE, child_environment, prepare
from local.foreground import PORTS, Environment, bound_sockets, run

GOOD = "aigw_0123456789abcdef_" + "a" * 43
FREE = {variable: "0" for variable, _ in PORTS.values()}


def settings_in(state: Path) -> Settings:
    cidrs = "127.0.0.0/8"
    return Settings.from_env({"AIGW_STATE_DIR": str(state), "AIGW_ALLOWED_PRIVATE_CIDRS": cidrs})


def test_all_ports_are_bound_on_loopback_only() -> None:
    sockets = bound_sockets(FREE)
    try:
        assert sockets.keys() == {"gateway", "control", "provider"}
        for listening in sockets.values():
            assert ip_address(listening.getsockname()[0]).is_loopback
    finally:
        for listening in sockets.values():
            listening.close()


def test_a_taken_port_is_one_line_that_names_it_and_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError) as raised:
            bound_sockets(FREE | {"API_PORT": str(port)})
    (problem,) = raised.value.problems
    assert f"port {port} " in problem
    assert problem.endswith("set API_PORT")


@pytest.mark.parametrize("text", ["", "http", "-1", "65536", "²", "9" * 5000])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^GATEWAY_PORT: expected a port number$"):
        bound_sockets(FREE | {"GATEWAY_PORT": text})


def test_a_start_takes_its_switches_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    def compose(environment: Environment, stopping: socket.socket) -> int:
        raise AssertionError("nothing is to be started")

    assert run("run", ["--trace", "--nonsense"], compose) == 2
    assert capsys.readouterr().err == "aigw run takes --trace and --trace-logs, nothing else\n"


def test_i10_the_products_processes_never_see_the_secrets_of_a_start(tmp_path: Path) -> None:
    environment = dict.fromkeys(OURS_ALONE, "planted") | {"PATH": "/bin"}
    found = child_environment(environment, settings_in(tmp_path))
    assert "planted" not in found.values()
    assert found["PATH"] == "/bin"
    assert found["AIGW_STATE_DIR"] == str(tmp_path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", "127.0.0.0/8,::1/128"), ("10.1.0.0/16", "10.1.0.0/16,127.0.0.0/8,::1/128")],
)
def test_providers_may_lie_on_loopback_beside_what_was_allowed(
    given: str, expected: str, tmp_path: Path
) -> None:
    environment = {"AIGW_ALLOWED_PRIVATE_CIDRS": given}
    found = child_environment(environment, settings_in(tmp_path))
    assert found["AIGW_ALLOWED_PRIVATE_CIDRS"] == expected


def test_lines_are_for_people_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert Settings.from_env(child_environment({}, settings)).log_format == "text"
    for name in ("AIGW_LOG_FORMAT", "CODER_AI_GATEWAY_LOG_FORMAT"):
        found = child_environment({name: "json"}, settings)
        assert Settings.from_env(found).log_format == "json"


async def test_a_start_prepares_store_key_providers_and_snapshot(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "state")
    secret, name, kind = await prepare(settings, {}, 4182)
    assert (name, kind) == ("anthropic", "anthropic")
    assert settings.state_dir.stat().st_mode & 0o777 == 0o700
    assert (settings.state_dir / "admin.key").read_text().strip() == secret
    again = await prepare(settings, {}, 4182)
    assert again[0] == secret


async def test_the_first_message_goes_to_a_provider_that_is_switched_on(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    text = (
        '[{"name": "off", "type": "anthropic", "base_url": "http://127.0.0.1:1", "enabled": false},'
        ' {"name": "on", "type": "openai", "base_url": "http://127.0.0.1:1"}]'
    )
    _, name, kind = await prepare(settings, {"AIGW_PROVIDERS_JSON": text}, 4182)
    assert (name, kind) == ("on", "openai")


@pytest.mark.parametrize("key", ["planted", GOOD + "x", GOOD.upper()])
async def test_an_admin_key_of_another_form_is_refused_and_not_shown(
    key: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"^AIGW_ADMIN_KEY: expected the form") as raised:
        await prepare(settings_in(tmp_path), {"AIGW_ADMIN_KEY": key}, 4182)
    assert key not in str(raised.value)
