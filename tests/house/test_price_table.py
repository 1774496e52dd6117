"""The price table is what `make prices` makes of the locked package, and nothing else."""

import importlib.util
from pathlib import Path
from types import ModuleType

from aigateway.ledger.prices import MAKERS, SELLERS, TABLE

MAKER = Path(__file__).parents[2] / ".ci" / "prices.py"


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prices_maker", MAKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def undated(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line for line in lines if not line.startswith('"made_on"')]


def test_the_table_is_made_of_the_locked_package(tmp_path: Path) -> None:
    """Otherwise: `make prices`."""
    maker().table(tmp_path, "2026-01-01")
    made, kept = ({path.name for path in folder.iterdir()} for folder in (tmp_path, TABLE))
    assert made == kept
    for name in made:
        assert undated(tmp_path / name) == undated(TABLE / name)


def test_every_list_that_is_asked_for_is_there() -> None:
    lists = {path.stem for path in TABLE.glob("*.json")}
    assert {*SELLERS.values(), *MAKERS.values()} == lists


def test_the_table_stays_small() -> None:
    sizes = {path.stem: path.stat().st_size for path in TABLE.glob("*.json")}
    assert sizes.pop("openrouter") < 200_000
    assert max(sizes.values()) < 50_000
