"""What ``aigw observe`` starts, and from which files."""

import json
import re
import socket
from pathlib import Path

import pytest

from aigateway.errors import SettingsError
from local.observe import (
    PORTS,
    PROGRAMS,
    RULES,
    NotInstalled,
    free_ports,
    installed,
    prepared,
    publishing,
)
from local.observe_files import alertmanager_file, prometheus_file

FREE = {variable: "0" for variable, _ in PORTS.values()}
ADDRESSES = {name: f"127.0.0.1:{9000 + number}" for number, name in enumerate(PORTS)}


def test_programs_that_are_missing_are_named_and_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "alertmanager").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match=r"^Prometheus, Pushgateway not found .*apt-get install"):
        installed()


def test_programs_are_found_by_either_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for called in PROGRAMS.values():
        (tmp_path / called[-1]).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = installed()
    assert [Path(path).name for path in found.values()] == [c[-1] for c in PROGRAMS.values()]


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError) as raised:
            free_ports(FREE | {"ALERTMANAGER_PORT": str(port)})
    [problem] = raised.value.problems
    assert "of the Alertmanager" in problem
    assert problem.endswith("set ALERTMANAGER_PORT")
    assert free_ports(FREE).keys() == PORTS.keys()


def test_what_is_started_listens_on_loopback_and_keeps_its_state_in_one_folder(
    tmp_path: Path,
) -> None:
    programs = {name: f"/bin/{name}" for name in PROGRAMS}
    observers = prepared(tmp_path, programs, ADDRESSES)
    assert {each.name for each in observers} == set(PROGRAMS)
    for each in observers:
        assert each.command[0] == programs[each.name]
        assert f"--web.listen-address={ADDRESSES[each.name]}" in each.command
        paths = re.findall(r"=(/\S+)", " ".join(each.command))
        assert paths
        assert all(Path(path).is_relative_to(tmp_path) for path in paths)
    configuration = json.loads((tmp_path / "prometheus.yml").read_text())
    assert configuration["rule_files"] == [str(RULES)]
    assert RULES.exists()


def test_figures_go_to_this_prometheus_unless_they_go_elsewhere() -> None:
    found = publishing({"HOME": "/root"}, "127.0.0.1:9")
    assert found == {
        "HOME": "/root",
        "AIGW_PROM_REMOTE_WRITE_URL": "http://127.0.0.1:9/api/v1/write",
    }
    for name in ("AIGW_PROM_REMOTE_WRITE_URL", "CODER_AI_GATEWAY_PROM_PUSHGATEWAY_URL"):
        given = {name: "http://127.0.0.1:1/x"}
        assert publishing(given, "127.0.0.1:9") == given


def test_labels_that_were_pushed_are_kept() -> None:
    document = json.loads(prometheus_file(RULES, "127.0.0.1:1", "127.0.0.1:2"))
    [job] = document["scrape_configs"]
    assert job["honor_labels"] is True
    assert job["static_configs"] == [{"targets": ["127.0.0.1:2"]}]
    [manager] = document["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": ["127.0.0.1:1"]}]
    assert json.loads(prometheus_file(RULES, "127.0.0.1:1"))["scrape_configs"] == []


def test_a_webhook_is_told_of_the_end_too() -> None:
    [receiver] = json.loads(alertmanager_file("http://127.0.0.1:1/"))["receivers"]
    assert receiver["webhook_configs"] == [{"url": "http://127.0.0.1:1/", "send_resolved": True}]
    [silent] = json.loads(alertmanager_file())["receivers"]
    assert silent.keys() == {"name"}
