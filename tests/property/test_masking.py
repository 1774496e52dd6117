"""No line shows a credential, and every line stays JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aigateway.telemetry.masking import masked_line, masked_text
from aigateway.wire.masking import masked

PLANTED = "planted0a1b2c3d4e5f6a7b8c9d"
FREE = (
    f"sk-ant-{PLANTED}",
    f"Bearer {PLANTED}",
    "AKIAPLANTED0123456789",
    f"ghp_{PLANTED}",
    f"github_pat_{PLANTED}",
    f"aigw_0011223344556677_{PLANTED}",
)
NAMES = (
    "authorization",
    "Authorization",
    "proxy-authorization",
    "x-api-key",
    "X-Goog-Api-Key",
    "openai_api_key",
    "cookie",
    "Set-Cookie",
    "coder-session-token",
    "x-ai-gateway-token",
    "x-coder-ai-governance-token",
    "aws_secret_access_key",
    "SecretAccessKey",
    "SessionToken",
)
PIECES = ["eyJ", "x", "sk-", "Bearer ", "AKIA", "a" * 8, "B" * 16, "-", "_", ".", " ", "\n", '"']
AROUND = some.text(alphabet=some.sampled_from("ab \n\t\\\"'{}[]:,=é\u2028\ud800kn"), max_size=12)
JSON = some.recursive(
    AROUND | some.integers() | some.none(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(AROUND, inner, max_size=3),
    max_leaves=6,
)


@some.composite
def holders(draw: some.DrawFn) -> object:
    """Make a value in which the planted one lies, quoted to some depth."""
    secret = draw(AROUND.filter(lambda text: "\n" not in text)) + PLANTED + draw(AROUND)
    name, free = draw(some.sampled_from(NAMES)), draw(some.sampled_from(FREE))
    value: object = draw(
        some.sampled_from(
            [
                {name: secret},
                {name: [secret, PLANTED]},
                {name: [PLANTED, secret]},
                f"{name}: {PLANTED}; a=b\nnext",
                f'{name}: a="{PLANTED}"; c={PLANTED}',
                f"{name}={PLANTED}",
                str({name: PLANTED}),
                str((name.encode(), PLANTED.encode())),
                f"{draw(AROUND)} {free}",
                f"\n{free}\n",
            ]
        )
    )
    for _ in range(draw(some.integers(0, 3))):
        value = {"kept": draw(JSON), "text": json.dumps(value, ensure_ascii=draw(some.booleans()))}
    return {"before": draw(JSON), "value": value, "after": draw(JSON)}


@given(holders())
def test_i10_no_line_shows_what_was_planted(holder: object) -> None:
    line = json.dumps(holder, ensure_ascii=False)
    masked = masked_line(line)
    assert "planted0" not in masked.lower()
    assert json.loads(masked).keys() == json.loads(line).keys()
    assert masked_line(masked) == masked


@given(JSON)
def test_a_line_stays_json_of_the_same_shape(value: object) -> None:
    line = json.dumps({"a": value, "cookie": value, "b": {"authorization": value}})
    assert json.loads(masked_line(line)).keys() == {"a", "cookie", "b"}


@given(some.text())
def test_a_text_is_masked_as_a_line_shows_it(text: str) -> None:
    holding = json.dumps({"t": text}, ensure_ascii=False)
    assert json.loads(masked_line(holding)) == {"t": masked_text(text)}


@given(some.lists(some.sampled_from(PIECES), max_size=12).map("".join))
def test_i10_a_line_hides_what_a_text_does(text: str) -> None:
    shown = masked_text(text)
    assert masked(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "task-management and risk-averse words stay",
        "the api key is wrong",
        "a cookie recipe, and authorization in general",
        "api_key_id",
        "tokens: 12",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert masked_text(text) == text


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"cookie": ""}, {"cookie": ""}),
        ({"authorization": "Basic x", "n": 1}, {"authorization": "***", "n": 1}),
        ({"cookie": ["a", "b"], "n": 1}, {"cookie": ["***", "***"], "n": 1}),
        ({"t": "cookie: a=1\nnext"}, {"t": "cookie: ***\nnext"}),
        ({"t": "key\nsk-abcdefghijk"}, {"t": "key\nsk-a..."}),
        ({"t": "eyJabc-sk-abcdefghijk"}, {"t": "eyJabc-sk-a..."}),
        ({"t": "xeyJ-eyJabcdefgh.abcdefgh"}, {"t": "xeyJ-eyJa..."}),
        ({"t": "as Bearer abcdefghijk said"}, {"t": "as Bearer abcd... said"}),
        ({"t": str({"cookie": "a", "b": 1})}, {"t": str({"cookie": "***", "b": 1})}),
    ],
)
def test_the_rest_of_a_line_is_as_it_was(shown: object, expected: object) -> None:
    assert json.loads(masked_line(json.dumps(shown))) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"cookie":"' + "\\" * 300_000,
        '{"cookie":"' + '\\"' * 150_000,
        "-eyJ" * 75_000,
        "cookie:" * 40_000,
        'cookie: ="' + '="' * 150_000,
        'cookie":["",' * 25_000,
        ("cookie" + " " * 50) * 5_000,
    ],
    ids=["backslashes", "quotes", "sign-ins", "names", "values", "lists", "spaces"],
)
def test_no_text_takes_longer_than_its_length_warrants(text: str) -> None:
    """What took the square of its length would not end."""
    json.loads(masked_line(json.dumps({"t": text})))
