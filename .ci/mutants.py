"""Mutation testing of ``transcript/`` and ``caller/``: whether a test fails for every rule.

mutmut makes the mutants; the tests run from here, because it would start pytest anew for each of
them (`mutant_runs.py`). The changed package and the tests are copied into ``.mutants/``, where
``results.tsv`` and ``survivors.diff`` stand afterwards. Only functions are mutated; tables at
module level are not.

    python .ci/mutants.py [PATTERN…]    run all, or the mutants whose names match
"""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from difflib import unified_diff
from fnmatch import fnmatch
from pathlib import Path

import pytest
from mutant_runs import Outcome, Runs
from mutmut.mutation.file_mutation import MutatedFile, mutate_file_contents

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / ".mutants"
PACKAGE = ROOT / "layers" / "gateway"
MUTATED = ("aigateway/transcript", "aigateway/caller")
TESTS = (
    "tests/unit/caller",
    "tests/unit/transcript",
    "tests/golden",
    "tests/property/test_transcript.py",
    "tests/property/test_conversations.py",
)
# Long laws over all recordings: they noticed none of 2,525 mutants that other tests missed.
LEFT_OUT = (
    "tests/property/test_transcript.py::test_any_json_in_any_place_is_read_without_a_fault",
    "tests/property/test_transcript.py::test_any_json_request_has_an_opening",
    "tests/property/test_transcript.py::test_i04_facts_are_the_same_byte_by_byte",
    "tests/property/test_transcript.py::test_i04_facts_do_not_depend_on_the_cuts",
    "tests/unit/transcript/test_readers.py::test_a_response_of_endless_facts_is_misheard[0]",
)
CONFIGURATION = """
[tool.mutmut]
source_paths = ["aigateway"]

[tool.pytest.ini_options]
pythonpath = ["."]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
addopts = ["--import-mode=importlib", "-q", "-s", "-W", "ignore", "-p", "no:cacheprovider"]
"""
# A failing example is enough: it need not become a small one.
CONFTEST = """
from hypothesis import Phase, settings

settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate))
settings.load_profile("mutants")
"""


def laid_out() -> dict[str, MutatedFile]:
    """Copy what the tests need into the tree, mutate it, and return the modules by dotted name."""
    shutil.rmtree(TREE, ignore_errors=True)
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    for source in (PACKAGE / "aigateway", ROOT / "tests"):
        shutil.copytree(source, TREE / source.name, ignore=ignored)
    (TREE / "pyproject.toml").write_text(CONFIGURATION)
    (TREE / "conftest.py").write_text(CONFTEST)
    os.chdir(TREE)  # mutmut, too, reads its configuration there
    modules = {}
    for path in sorted(path for folder in MUTATED for path in (TREE / folder).glob("*.py")):
        mutated = mutate_file_contents(str(path), path.read_text(encoding="utf-8"))
        path.write_text(mutated.code, encoding="utf-8")
        modules[".".join(path.relative_to(TREE).with_suffix("").parts)] = mutated
    return modules


def difference(name: str, modules: dict[str, MutatedFile]) -> str:
    module, _, mutant = name.rpartition(".")
    mutated = modules[module]
    lines = mutated.code.splitlines()

    def written(function: str) -> list[str]:
        span = mutated.line_span_by_function_name[function]
        return [line.rstrip() for line in lines[span.start - 1 : span.end]]

    original = mutant.partition("__mutmut_")[0] + "__mutmut_orig"
    renamed = [line.replace(mutant, original) for line in written(mutant)]
    found = unified_diff(written(original), renamed, fromfile=name, tofile="", lineterm="", n=2)
    return "\n".join(found) + "\n"


def report(outcomes: Sequence[Outcome], modules: dict[str, MutatedFile]) -> None:
    """Print a line a module and the score; a mutant that never ends counts as noticed."""
    counts = Counter((outcome.mutant.rpartition(".")[0], outcome.verdict) for outcome in outcomes)
    counts += Counter(("all", outcome.verdict) for outcome in outcomes)
    print(f"{'module':46} mutants failed endless survived untested")
    for module in (*modules, "all"):
        kinds = [counts[module, kind] for kind in ("failed", "endless", "survived", "untested")]
        if total := sum(kinds):
            print(f"{module:46} {total:7} {kinds[0]:6} {kinds[1]:7} {kinds[2]:8} {kinds[3]:8}")
    noticed = counts["all", "failed"] + counts["all", "endless"]
    print(f"{noticed} of {len(outcomes)} mutants noticed: {noticed / len(outcomes):.1%}")
    missed = [each.mutant for each in outcomes if each.verdict in {"survived", "untested"}]
    text = "\n".join(difference(name, modules) for name in sorted(missed))
    (TREE / "survivors.diff").write_text(text, encoding="utf-8")
    print(f"the others: {TREE.name}/survivors.diff")


def main(patterns: list[str]) -> int:
    modules = laid_out()
    names = [f"{module}.{name}" for module in modules for name in modules[module].mutant_names]
    if patterns:
        names = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    sys.path.insert(0, str(TREE))
    arguments = [*TESTS, *(f"--deselect={test}" for test in LEFT_OUT)]
    runs = Runs(names, arguments, TREE / "results.tsv")
    status = pytest.main(arguments, plugins=[runs])
    if status == pytest.ExitCode.OK and runs.outcomes:
        report(runs.outcomes, modules)
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
