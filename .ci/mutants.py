"""Mutation testing of ``transcript/`` and ``caller/``: whether a test fails for every rule.

mutmut wants the package below ``src/``, and writes beside it: so it gets a tree of its own, made
of copies, in ``.mutants/``. Only functions are mutated; tables at module level are not.

    python .ci/mutants.py [NAME…]    run all, or the mutants with these names
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / ".mutants"
CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/aigateway/transcript/*.py", "src/aigateway/caller/*.py"]
pytest_add_cli_args_test_selection = [
  "tests/unit/transcript", "tests/unit/caller", "tests/golden", "tests/property/test_transcript.py",
  "tests/property/test_conversations.py",
]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore"]
also_copy = ["src", "tests"]
use_git_change_detection = false
timeout_multiplier = 4.0
timeout_constant = 5.0

[tool.pytest.ini_options]
pythonpath = ["src", "."]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
addopts = ["--import-mode=importlib"]
"""


def main(names: list[str]) -> int:
    TREE.mkdir(exist_ok=True)
    for source, target in (("layers/gateway/aigateway", "src/aigateway"), ("tests", "tests")):
        shutil.rmtree(TREE / target, ignore_errors=True)
        ignored = shutil.ignore_patterns("node_modules", "__pycache__")
        shutil.copytree(ROOT / source, TREE / target, ignore=ignored)
    (TREE / "pyproject.toml").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "mutmut", "run", *names]
    done = subprocess.run(command, cwd=TREE, check=False)  # noqa: S603 - names of mutants
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
