"""The lock files and the command, as a stranger gets them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+==\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_each_pin_has_a_hash_and_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("name", ["run", "gateway"])
def test_what_is_deployed_is_what_was_tested(name: str) -> None:
    folder = ROOT / "requirements"
    assert pins(folder / f"{name}.txt") <= pins(folder / "dev.txt")


def test_the_layer_holds_the_gateway_group() -> None:
    layer = ROOT / "layers" / "gateway" / "requirements.txt"
    assert layer.read_bytes() == (ROOT / "requirements" / "gateway.txt").read_bytes()


def test_the_command_finds_its_folder_through_a_link_and_names_the_door_it_needs(
    tmp_path: Path,
) -> None:
    project = tmp_path / "a project"
    (project / "bin").mkdir(parents=True)
    command = project / "bin" / "aigw"
    command.write_bytes((ROOT / "bin" / "aigw").read_bytes())
    command.chmod(0o755)
    link = tmp_path / "aigw"
    link.symlink_to(command)
    done = subprocess.run(
        [link, "keys", "list"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"aigw: its Python packages are not installed yet: make -C '{project}' setup"
    ]


def test_bare_make_lists_only_doors_that_exist() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    doors = re.findall(r"^make ([a-z]+)", listed, re.MULTILINE)
    assert {"run", "demo", "test", "quick", "check", "fix", "smoke", "clients", "deploy"} <= set(
        doors
    )
    for door in doors:
        tried = subprocess.run(["make", "-n", door], cwd=ROOT, capture_output=True, check=False)
        assert tried.returncode == 0, door
