"""The served description against the running API: no server error, no undocumented answer.

`make api` runs it; schemathesis stands in an environment of its own. A parameter may fit its
schema and still be refused, because a name is unknown or two parameters exclude each other: what
is right is the store's to say, so that check is left out.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asks import PATHS, ask
from tests.e2e.product import Product, call, running

PROGRAM = Path(__file__).parents[2] / ".venv-api/bin/schemathesis"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
EXAMPLES = os.environ.get("SCHEMA_EXAMPLES", "40")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A running product with a few records of each dialect."""
    with running(tmp_path_factory.mktemp("home")) as made:
        for dialect, path in PATHS.items():
            for stream in (True, False):
                body = ask(dialect, "use a tool, please", stream=stream, tools=True)
                headers = {"X-Claude-Code-Session-Id": "s", "User-Agent": "claude-cli/2.1.0"}
                assert made.post(path, body, headers).status == 200
        yield made


@pytest.mark.parametrize("prefix", ["aibridge", "ai-gateway"])
def test_every_answer_is_described(product: Product, prefix: str, tmp_path: Path) -> None:
    row = product.query("sessions?limit=1").document["sessions"][0]
    known = product.query("interceptions?limit=1").document["results"][0]["id"]
    description = product.query("openapi.json").document
    for path, example in (("/sessions/{id}", row["id"]), ("/interceptions/{id}", known)):
        description["paths"][path]["get"]["parameters"][0]["example"] = example
    holds(product, prefix, description, tmp_path)


def test_every_answer_about_the_configuration_is_described(
    product: Product, tmp_path: Path
) -> None:
    """A member takes what is done to users; the caller's own key has to last.

    A trial is left out: it asks whatever provider an example made, wherever it lies.
    """
    prefix, headers = "ai", {"Coder-Session-Token": product.key}
    address = f"{product.api}/api/v2/{prefix}"
    user = call(f"{address}/users", "POST", b'{"username":"member"}', headers).document
    key = call(f"{address}/users/member/keys", "POST", b'{"name":"n"}', headers).document
    description = call(f"{address}/openapi.json").document
    del description["paths"]["/providers/{id_or_name}/test"]
    parameters = description["components"]["parameters"]
    parameters["id_or_name"]["example"] = "anthropic"
    parameters["user"]["example"], parameters["key_id"]["example"] = user["id"], key["id"]
    holds(product, prefix, description, tmp_path)


def holds(product: Product, prefix: str, description: object, tmp_path: Path) -> None:
    """Let schemathesis try every call that is described."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(description))
    command = [str(PROGRAM), "run", str(file), "--url", f"{product.api}/api/v2/{prefix}"]
    command += ["--header", f"Coder-Session-Token: {product.key}", "--checks", ",".join(CHECKS)]
    command += ["--max-examples", EXAMPLES, "--seed", "1", "--no-color", "--workers", "1"]
    command += ["--phases", "examples,coverage,fuzzing", "--generation-database", ":memory:"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]
