"""Rules against what a request names."""

import json

import pytest

from aigateway.caller.identity import Caller
from aigateway.errors import NotAllowed, UnreadableBody
from aigateway.pool.snapshot import Snapshot
from aigateway.relay.permission import Permission, check_models, limits

ALICE = Caller("u-alice", "alice", "k", "member")
LIMITED = limits(("claude-*", "gpt-5"))


def test_only_lists_that_do_not_hold_everything_limit() -> None:
    assert limits(("*",), None, ("a", "*")) == ()
    assert limits(("a*",), ()) == (("a*",), ())


def test_without_limits_not_even_the_body_is_looked_at() -> None:
    check_models(None, ())
    check_models(b"{}", ())


@pytest.mark.parametrize(
    "body",
    [
        '{"model": "gpt-5"}',
        '{"model": "claude-x", "messages": [{"model": "other"}]}',
        '\ufeff{"mod\\u0065l": "gpt\\u002d5"}',
        '{"model": null, "models": ["gpt-5", "claude-x"]}',
    ],
)
def test_a_request_that_names_allowed_models_may_go_on(body: str) -> None:
    check_models(body.encode(), LIMITED)


@pytest.mark.parametrize(
    "body",
    [
        '{"model": "gpt-6"}',
        '{"model": "GPT-5"}',
        '{"model": " gpt-5"}',
        '{"model": ""}',
        '{"model": "gpt-5", "model": "gpt-6"}',
        '{"model": "gpt-6", "model": "gpt-5"}',
        '{"model": "gpt-5", "Model": "gpt-6"}',
        '{"model": "gpt-5", "models": ["gpt-6"]}',
        '{"model": "gpt-5", "models": "gpt-6"}',
        '{"model": "gpt-5", "model\u017f": ["gpt-6"]}',
        '{"model": "gpt-5", "models": [["gpt-5"]]}',
        '{"model": ["gpt-5"]}',
        '{"model": {"id": "gpt-5"}}',
        '{"model": 5}',
        '{"model": null}',
        '{"models": []}',
        '{"input": "gpt-5"}',
        "{}",
    ],
)
def test_whatever_some_server_could_take_for_the_model_is_checked(body: str) -> None:
    with pytest.raises(NotAllowed):
        check_models(body.encode(), LIMITED)


def test_a_model_has_to_be_in_every_list() -> None:
    body = b'{"model": "gpt-5"}'
    check_models(body, limits(("gpt-*",), ("*-5",)))
    for other in ((), ("claude-*",)):
        with pytest.raises(NotAllowed):
            check_models(body, limits(("gpt-*",), other))


def test_bytes_that_are_no_text_fit_no_plain_pattern() -> None:
    with pytest.raises(NotAllowed):
        check_models(b'{"model": "gpt-5\xff"}', LIMITED)


def test_a_body_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(UnreadableBody):
        check_models(None, LIMITED)


def test_the_rules_are_those_of_the_snapshot_at_hand() -> None:
    permission = Permission()

    def snapshot(*providers: str) -> Snapshot:
        rule = {"user": "alice", "providers": list(providers), "models": ["m"]}
        return Snapshot(1, {}, {}, (json.loads(json.dumps(rule)),))

    first, second = snapshot("a"), snapshot("b")
    assert permission.models(ALICE, "a", first) == ("m",)
    assert permission.models(ALICE, "b", second) == ("m",)
    for held, provider in ((first, "b"), (second, "a")):
        with pytest.raises(NotAllowed):
            permission.models(ALICE, provider, held)
    assert permission.models(ALICE, "a", Snapshot(2, {}, {})) == ("*",)
