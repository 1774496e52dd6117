"""The layer as built, and the wrapper that Lambda starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LAYER = Path(__file__).parents[3] / "layers" / "runtime"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("the layer")
    version = ".".join(map(str, sys.version_info[:2]))
    subprocess.run(
        ["make", "-C", LAYER, "build-RuntimeLayer", f"ARTIFACTS_DIR={folder}"],
        env={**os.environ, "LAYER_PYTHON": version},
        check=True,
        capture_output=True,
    )
    return folder


def test_the_layer_is_the_client_and_the_wrapper(built: Path) -> None:
    written = {each.name for each in (LAYER / "streaming_runtime").glob("*.py")}
    client = built / "python" / "streaming_runtime"
    assert {each.name for each in built.iterdir()} == {"python", "stream"}
    assert {each.name for each in client.iterdir()} - {"__pycache__"} == written
    assert (built / "stream").stat().st_mode & 0o777 == 0o755


def test_the_wrapper_becomes_the_client_under_the_interpreter_it_is_given(
    built: Path, tmp_path: Path
) -> None:
    """Without a Runtime API it ends at once, and by its own hand."""
    done = subprocess.run(
        [built / "stream", sys.executable, "/var/runtime/bootstrap.py"],
        env={"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert '"Runtime.KeyError"' in done.stdout
    assert "AWS_LAMBDA_RUNTIME_API" in done.stdout
    assert done.stderr == ""
