"""Bodies for InvokeModel: pairs of what is sent and what Bedrock gets, byte for byte."""

import json
from typing import Any

import pytest

from aigateway.pool.invocations import BETAS, adapts, betas_for, invocation_body

SONNET_45 = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS_45 = "us.anthropic.claude-opus-4-5-20251101-v1:0"
OPUS_46 = "global.anthropic.claude-opus-4-6-v1"
HEAD = '{"anthropic_version":"bedrock-2023-05-31"'


def sent(body: str, model: str = SONNET_45, *flags: str) -> str:
    return invocation_body(body.encode(), json.loads(body), model, flags).decode()


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("{}", HEAD + "}"),
        ('{"model":"m"}', HEAD + "}"),
        (
            '{ "model" : "m" , "max_tokens": 1.0e2, "stream":true,"top_p":0.10}',
            HEAD + ', "max_tokens": 1.0e2,"top_p":0.10}',
        ),
        (
            '{"messages":[{"role":"user","content":"\u00e9 \\u00e9","stream":1}],"model":"m"}',
            HEAD + ',"messages":[{"role":"user","content":"\u00e9 \\u00e9","stream":1}]}',
        ),
        (
            '{"service_tier":"auto","container":"c","inference_geo":"us","metadata":{"user_id":"u"}}',
            HEAD + "}",
        ),
        (
            '{"output_config":{"effort":"low"},"context_management":{"edits":[]},"a":1}',
            HEAD + ',"a":1}',
        ),
        ('{"anthropic_version":"x","a":1}', '{"anthropic_version":"bedrock-2023-05-31","a":1}'),
        ('{"a":1,"model":"m","model":"n"}', HEAD + ',"a":1}'),
    ],
)
def test_only_what_bedrock_refuses_goes_and_every_other_byte_stays(body: str, result: str) -> None:
    assert sent(body) == result


def test_flags_of_header_and_body_go_into_the_body_each_once() -> None:
    known = "context-1m-2025-08-07"
    body = json.dumps({"anthropic_beta": [known, "computer-use-2025-01-24", "planted", 5]})
    result = sent(body, SONNET_45, known, "claude-code-20250219", "")
    assert json.loads(result)["anthropic_beta"] == [known, "computer-use-2025-01-24"]
    assert sent('{"anthropic_beta":["planted"],"a":1}') == HEAD + ',"a":1}'
    assert sent('{"anthropic_beta":"planted","a":1}') == HEAD + ',"a":1}'


@pytest.mark.parametrize(
    ("flag", "member", "model", "kept"),
    [
        ("effort-2025-11-24", "output_config", OPUS_45, True),
        ("effort-2025-11-24", "output_config", SONNET_45, False),
        ("effort-2025-11-24", "output_config", OPUS_46, False),
        ("context-management-2025-06-27", "context_management", SONNET_45, True),
        ("context-management-2025-06-27", "context_management", OPUS_45, False),
    ],
)
def test_a_member_stays_with_its_flag_where_the_model_knows_it(
    flag: str, member: str, model: str, kept: bool
) -> None:
    result = json.loads(sent(json.dumps({member: {"x": 1}}), model, flag))
    assert (member in result) is kept
    assert (flag in result.get("anthropic_beta", ())) is kept
    assert member not in json.loads(sent(json.dumps({member: {"x": 1}}), model))


def test_flags_keep_their_order() -> None:
    wanted = sorted(BETAS, reverse=True)
    assert betas_for("claude-opus-4-5 claude-sonnet-4-5", [*wanted, *wanted, 7]) == wanted


@pytest.mark.parametrize(
    ("model", "does"),
    [
        (OPUS_46, True),
        ("anthropic.claude-sonnet-4-6", True),
        ("anthropic.claude-opus-4-10-v1:0", True),
        ("anthropic.claude-sonnet-5", True),
        ("anthropic.claude-sonnet-5-20270101-v1:0", True),
        ("anthropic.claude-unheard-of-1", True),
        ("arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/abc", True),
        (SONNET_45, False),
        (OPUS_45, False),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", False),
        ("anthropic.claude-opus-4-20250514-v1:0", False),
        ("anthropic.claude-opus-4-1-20250805-v1:0", False),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", False),
        ("anthropic.claude-3-haiku-20240307-v1:0", False),
        ("anthropic.claude-v2:1", False),
        ("anthropic.claude-instant-v1", False),
    ],
)
def test_models_since_4_6_decide_themselves_how_much_they_think(model: str, does: bool) -> None:
    assert adapts(model) is does


ADAPTIVE = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("effort", "most", "thinking"),
    [
        ("low", 10_000, {"type": "enabled", "budget_tokens": 2000}),
        ("medium", 10_000, {"type": "enabled", "budget_tokens": 5000}),
        ("high", 10_000, {"type": "enabled", "budget_tokens": 8000}),
        ("max", 10_000, {"type": "enabled", "budget_tokens": 9500}),
        (None, 10_000, {"type": "enabled", "budget_tokens": 8000}),
        ("unheard-of", 10_000, {"type": "enabled", "budget_tokens": 8000}),
        (["low"], 10_000, {"type": "enabled", "budget_tokens": 8000}),
        ("low", 5_120, {"type": "enabled", "budget_tokens": 1024}),
        ("low", 5_119, {"type": "disabled"}),
        ("max", None, {"type": "disabled"}),
        ("max", "10000", {"type": "disabled"}),
        ("max", 1e9, {"type": "disabled"}),
        ("max", True, {"type": "disabled"}),
        ("low", -5, {"type": "disabled"}),
    ],
)
def test_older_models_get_a_share_of_the_output_to_think(
    effort: object, most: object, thinking: dict[str, Any]
) -> None:
    document: dict[str, Any] = {"thinking": ADAPTIVE, "max_tokens": most}
    if effort is not None:
        document["output_config"] = {"effort": effort}
    body = json.dumps(document)
    assert json.loads(sent(body))["thinking"] == thinking
    assert json.loads(sent(body, OPUS_46))["thinking"] == ADAPTIVE


def test_any_number_of_tokens_has_a_share() -> None:
    body = json.dumps({"thinking": ADAPTIVE, "max_tokens": 10**400})
    assert json.loads(sent(body))["thinking"]["budget_tokens"] == 8 * 10**399


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 1}, "adaptive", None])
def test_what_is_not_adaptive_stays_as_it_is(thinking: object) -> None:
    assert json.loads(sent(json.dumps({"thinking": thinking})))["thinking"] == thinking
