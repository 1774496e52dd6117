import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logs import logging_as_before

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    with logging_as_before():
        yield


@pytest.mark.parametrize("sample", ["sessions-list", "sessions-one"])
def test_the_function_answers_what_api_gateway_sends(
    sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIGW_TABLE", raising=False)
    monkeypatch.setenv("AIGW_STATE_DIR", str(tmp_path / "state"))
    event = json.loads((ROOT / "events" / f"{sample}.json").read_text())
    spec = importlib.util.spec_from_file_location("app", ROOT / "functions/sessions/app.py")
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    answer = app.handler(event, None)
    app.handler.stop()
    assert answer["statusCode"] == 401
    assert answer["multiValueHeaders"]["x-ai-gateway-error"] == ["invalid_gateway_key"]


def test_a_key_is_never_printed_even_when_the_library_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_DEV", "1")
    test_the_function_answers_what_api_gateway_sends("sessions-list", tmp_path, monkeypatch)
    assert "aigw_" not in capsys.readouterr().out
