"""A line that is too long becomes several, of which nothing is lost."""

import json

from hypothesis import given
from hypothesis import strategies as some

from aigateway.telemetry.masking import masked_text
from aigateway.telemetry.parts import FRAME_BYTES, Fields, encoded_bytes, in_parts

LIMIT = 3 * FRAME_BYTES
PIECES = some.sampled_from(
    [
        "a" * 900,
        "é" * 700,
        "\N{GRINNING FACE}" * 300,
        "\x00" * 200,
        '"\\' * 400,
        "\ud800" * 50,
        "\n",
    ]
)
TEXTS = some.lists(PIECES, max_size=60).map("".join)
SECRET = "sk-planted-0a1b2c3d4e5f6a7b8c9d"


@given(TEXTS, some.text(max_size=50))
def test_parts_are_short_enough_whole_lines_and_make_up_the_text(text: str, other: str) -> None:
    fields: Fields = {"record_type": "prompt_usage", "n": 1, "model": other, "prompt": text}
    parts = [*in_parts(fields, LIMIT)]
    assert all(encoded_bytes(part) <= LIMIT for part in parts)
    if len(parts) == 1:
        assert parts == [fields]
        return
    assert "".join(str(part["prompt"]) for part in parts) == text
    assert all(len(str(part["prompt"])) >= 100 for part in parts[:-1])
    assert [part["part"] for part in parts] == [*range(1, len(parts) + 1)]
    for part in parts:
        assert json.loads(json.dumps(part))["parts"] == len(parts)
        assert part | {"prompt": 0, "part": 0, "parts": 0} == fields | {
            "prompt": 0,
            "part": 0,
            "parts": 0,
        }


@given(some.integers(0, LIMIT), some.integers(0, LIMIT))
def test_i10_what_is_masked_is_masked_before_the_cut(before: int, after: int) -> None:
    text = "a" * before + f" {SECRET} " + "b" * after + "c" * LIMIT
    parts = [*in_parts({"prompt": text}, LIMIT)]
    assert "".join(str(part["prompt"]) for part in parts) == masked_text(text)
    assert all("planted" not in str(part["prompt"]) for part in parts)


def test_a_line_that_fits_is_no_part() -> None:
    fields: Fields = {"prompt": "short"}
    assert [*in_parts(fields)] == [fields]
