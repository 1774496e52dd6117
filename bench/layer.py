"""The layers of the gateway function, as a deployment has them and as they lie in the source."""

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from platform import machine
from typing import final

from bench.client import Broken
from bench.processes import ROOT

TARGETS = {"gateway": "build-GatewayLayer", "runtime": "build-RuntimeLayer"}


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """What a sandbox is started with: the wrapper, an interpreter, and where packages lie."""

    wrapper: Path
    interpreter: str
    packages: str


def source_layer() -> Layer:
    """The source, with this environment's packages."""
    folders = (ROOT / "layers" / "gateway", ROOT / "layers" / "runtime")
    return Layer(folders[1] / "stream", sys.executable, ":".join(map(str, folders)))


def built_layer(directory: Path) -> Layer:
    """Build both layers for this machine, bytecode included, as ``sam build`` does.

    The interpreter is one without packages of its own. Raises ``Broken``.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    variables = {
        "LAYER_PYTHON": version,
        "LAYER_PLATFORM": f"{machine()}-manylinux2014",
        "LAYER_CACHE": str(ROOT / ".uv" / "layers"),
        "ARTIFACTS_DIR": str(directory / "opt"),
    }
    for name, target in TARGETS.items():
        copy = directory / name
        shutil.copytree(ROOT / "layers" / name, copy)
        done = subprocess.run(
            ["make", "-s", target, *(f"{key}={value}" for key, value in variables.items())],
            cwd=copy,
            env=os.environ,
            check=False,
        )
        if done.returncode:
            raise Broken(f"the layer {name} could not be built")
    venv.create(directory / "bare", symlinks=True)
    bare = directory / "bare" / "bin" / "python"
    return Layer(directory / "opt" / "stream", str(bare), str(directory / "opt" / "python"))
