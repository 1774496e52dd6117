"""Settings, their documentation and the template say the same."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigateway.settings import FUNCTION_URL_BYTES, LOCAL_ONLY, SETTINGS, Settings
from local import observe
from local.__main__ import OURS_ALONE
from local.foreground import PORTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
TEMPLATE = (ROOT / "template.yaml").read_text()
NOTHING = "\N{EN DASH}"
OWN = {
    "AIGW_TABLE": "Table",
    "AIGW_PAYLOAD_BUCKET": "PayloadBucket",
    "AIGW_SECRETS_PREFIX": "${AWS::StackName}/providers/",
    "AIGW_ADMIN_KEY_SECRET": "AdminKeySecret",
    "AIGW_RELOAD_FUNCTION": "ReloadFunction",
    "AIGW_METRICS_INSTANCE": "AWS::StackName",
}
"""What the template sets to resources of its own."""


def table(title: str) -> dict[str, list[str]]:
    """Return the first table below a title: its cells, without code marks, by the first one."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+) \|$", section.split("```")[0], re.MULTILINE)
    cells = ([cell.strip().strip("`") for cell in row.split(" | ")] for row in rows)
    return {first: rest for first, *rest in cells}


def parameters() -> Iterator[tuple[str, str]]:
    """Yield every parameter of the template and its default."""
    block = TEMPLATE.split("\nParameters:\n")[1].split("\nMappings:\n")[0]
    for name, members in re.findall(r"^  (\w+):\n((?:    .*\n)+)", block + "\n", re.MULTILINE):
        found = re.search(r"^    Default: \"?(.*?)\"?$", members, re.MULTILINE)
        assert found is not None, f"{name} has no default"
        yield name, found.group(1)


def variables() -> dict[str, str]:
    """Return what the template's functions are given of ours: variable to reference or text."""
    return dict(re.findall(r"^ +(AIGW_\w+): !(?:Ref|Sub) \"?(.*?)\"?$", TEMPLATE, re.MULTILINE))


DOCUMENTED = table("Settings")
NAMES = {f"AIGW_{meta['name']}": field for field, meta in SETTINGS.items()}


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert DOCUMENTED.keys() == NAMES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_documented_default_is_the_default(name: str) -> None:
    field = NAMES[name]
    shown = DOCUMENTED[name][0]
    text = "" if shown == NOTHING else shown
    assert getattr(Settings.from_env({name: text}), field) == getattr(Settings(), field)


def test_every_variable_of_the_template_is_a_setting_with_its_documented_parameter() -> None:
    given = variables()
    assert given.keys() <= NAMES.keys()
    named = {name: cells[1] for name, cells in DOCUMENTED.items() if cells[1] != NOTHING}
    assert given.items() >= OWN.items()
    references = {
        name: source.removeprefix("${").removesuffix("}d")
        for name, source in given.items()
        if name not in OWN
    }
    assert references == named


@pytest.mark.parametrize("name", sorted(variables().keys() - OWN.keys()))
def test_the_parameters_default_is_the_settings_default(name: str) -> None:
    source = variables()[name]
    defaults = dict(parameters())
    text = re.sub(r"\$\{(\w+)\}", lambda found: defaults[found[1]], source)
    read = Settings.from_env({name: defaults.get(text, text)})
    expected = getattr(Settings(), NAMES[name])
    if name == "AIGW_MAX_REQUEST_BYTES":
        expected = FUNCTION_URL_BYTES
    assert getattr(read, NAMES[name]) == expected


def test_what_only_a_start_on_one_machine_reads_is_documented() -> None:
    documented = table("On one machine")
    both = {**PORTS, **observe.PORTS}
    ports = {variable: str(usual) for variable, usual in both.values()}
    assert documented.keys() == {*OURS_ALONE, *ports, "AWS_ENDPOINT_URL"}
    assert {name: documented[name][0] for name in ports} == ports
    assert documented.keys() >= LOCAL_ONLY
