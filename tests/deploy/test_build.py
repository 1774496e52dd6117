"""What `make build` puts into the functions and the layer."""

import subprocess
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
BOTOCORE_SERVICES = {"dynamodb", "lambda", "logs", "s3", "secretsmanager", "sts"}


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


def test_the_layer_holds_the_package_and_only_the_services_it_calls(
    built: tuple[Path, str],
) -> None:
    python = built[0] / "GatewayLayer" / "python"
    assert (python / "aigateway" / "errors.py").is_file()
    services = {each.name for each in (python / "botocore" / "data").iterdir() if each.is_dir()}
    assert services == BOTOCORE_SERVICES
    assert not (python / "bin").exists()
    assert not (python / "uvicorn").exists(), "nothing of the local start belongs into a layer"


@pytest.mark.parametrize("name", ["Gateway", "Reload", "Sessions"])
def test_a_function_is_its_handler_alone(name: str, built: tuple[Path, str]) -> None:
    folder, _ = built
    assert [each.name for each in (folder / f"{name}Function").iterdir()] == ["app.py"]
