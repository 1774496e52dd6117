"""What `make build` puts into the functions and the layers."""

import io
import stat
import subprocess
import zipfile
from base64 import urlsafe_b64encode
from csv import reader
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = {
    "deployed": ("python3.13", "arm64", "cpython-313-aarch64-linux-gnu"),
    "local": ("python3.11", "x86_64", "cpython-311-x86_64-linux-gnu"),
}
UNZIPPED_BYTES, ZIPPED_BYTES = 250 * 1024 * 1024, 15 * 1024 * 1024
"""What Lambda takes, function and layers together, and what we want to stay below."""

TRACING_ZIPPED_BYTES = 5 * 1024 * 1024
"""More with the layer that only a gateway has that traces."""

UNCHECKED_HASH = 1
"""Flags of bytecode that is used without a look at its source (PEP 552)."""

BOTOCORE_SERVICES = {"dynamodb", "lambda", "logs", "s3", "secretsmanager", "sts"}


LAYERS = ("GatewayLayer", "RuntimeLayer", "TracingLayer")


def runs(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="module", params=TARGETS)
def built(
    request: pytest.FixtureRequest, sam_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Return the folder that was built and the tag its native extensions must carry."""
    runtime, architecture, tag = TARGETS[request.param]
    folder = tmp_path_factory.mktemp("build")
    done = subprocess.run(
        ["make", "build", f"RUNTIME={runtime}", f"ARCHITECTURE={architecture}", f"BUILD={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, tag


def test_native_extensions_are_the_targets(built: tuple[Path, str]) -> None:
    folder, tag = built
    extensions = list((folder / "GatewayLayer" / "python").rglob("*.so"))
    assert extensions
    assert all(tag in each.name for each in extensions), extensions


def test_each_packaged_file_is_the_one_its_wheel_listed(built: tuple[Path, str]) -> None:
    python = built[0] / "GatewayLayer" / "python"
    records = list(python.glob("*.dist-info/RECORD"))
    assert len(records) > 10
    for record in records:
        for name, digest, _ in reader(record.read_text(encoding="utf-8").splitlines()):
            installed = python / name
            if digest and installed.exists():
                found = urlsafe_b64encode(sha256(installed.read_bytes()).digest())
                assert digest == f"sha256={found.rstrip(b'=').decode()}", name


def test_no_packaged_file_is_unlisted(built: tuple[Path, str]) -> None:
    python = built[0] / "GatewayLayer" / "python"
    listed = {
        name
        for record in python.glob("*.dist-info/RECORD")
        for name, *_ in reader(record.read_text(encoding="utf-8").splitlines())
    }
    files = (each.relative_to(python) for each in python.rglob("*") if each.is_file())
    assert not [
        str(file)
        for file in files
        if str(file) not in listed and file.parts[0] != "aigateway" and file.suffix != ".pyc"
    ]


def test_bytecode_is_the_targets_and_never_compared_with_its_source(
    built: tuple[Path, str],
) -> None:
    folder, tag = built
    found = [each for layer in LAYERS for each in (folder / layer).rglob("*.pyc")]
    version = tag.split("-")[1]
    for file in found:
        assert file.name.endswith(f".cpython-{version}.pyc")
        assert file.read_bytes()[4] == UNCHECKED_HASH
    if version == "311" and runs("python3.11"):
        assert found


@pytest.mark.parametrize("traces", [False, True])
def test_a_gateway_with_its_layers_is_small(built: tuple[Path, str], traces: bool) -> None:
    zipped, unzipped = 0, 0
    for part in ("GatewayFunction", *(LAYERS if traces else LAYERS[:-1])):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
            for file in sorted((built[0] / part).rglob("*")):
                if file.is_file():
                    package.write(file, file.relative_to(built[0] / part))
                    unzipped += file.stat().st_size
        zipped += len(archive.getvalue())
    assert zipped <= ZIPPED_BYTES + traces * TRACING_ZIPPED_BYTES
    assert unzipped <= UNZIPPED_BYTES


def test_the_runtime_layer_holds_the_wrapper_and_nothing_of_the_package(
    built: tuple[Path, str],
) -> None:
    layer = built[0] / "RuntimeLayer"
    wrapper = layer / "stream"
    assert stat.S_IMODE(wrapper.stat().st_mode) == 0o755
    assert wrapper.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    assert {each.name for each in layer.iterdir()} == {"python", "stream"}
    assert [each.name for each in (layer / "python").iterdir()] == ["streaming_runtime"]


def test_the_layer_holds_the_package_and_only_the_services_it_calls(
    built: tuple[Path, str],
) -> None:
    python = built[0] / "GatewayLayer" / "python"
    assert (python / "aigateway" / "errors.py").is_file()
    services = {each.name for each in (python / "botocore" / "data").iterdir() if each.is_dir()}
    assert services == BOTOCORE_SERVICES
    assert not (python / "bin").exists()
    assert not (python / "uvicorn").exists(), "nothing of the local start belongs into a layer"


def test_the_tracing_layer_holds_nothing_that_the_gateways_layer_holds(
    built: tuple[Path, str],
) -> None:
    tracing, gateway = (
        {each.name for each in (built[0] / layer / "python").iterdir() if each.is_dir()}
        for layer in ("TracingLayer", "GatewayLayer")
    )
    assert {"opentelemetry", "aws_xray_sdk", "requests", "google"} <= tracing
    shared = {name for name in tracing & gateway if not name.endswith(".dist-info")}
    assert shared <= {"__pycache__"}
    assert "bin" not in tracing


@pytest.mark.parametrize("name", ["Gateway", "Reload", "Sessions"])
def test_a_function_is_its_handler_alone(name: str, built: tuple[Path, str]) -> None:
    folder, _ = built
    assert [each.name for each in (folder / f"{name}Function").iterdir()] == ["app.py"]
