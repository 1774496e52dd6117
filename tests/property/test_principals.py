"""Whatever stands where an ARN should, nothing breaks and nothing is taken for another."""

from hypothesis import given
from hypothesis import strategies as st

from aigateway.caller.principals import entry_of, signer_of

NAMES = st.text("abcXYZ019+=,.@-_", min_size=2, max_size=64)
PATHS = st.lists(st.text("abc019!~", min_size=1, max_size=8), max_size=4)
ACCOUNTS = st.text("0123456789", min_size=12, max_size=12)


def signed_by(arn: str, unique_id: str = "AROAEXAMPLE") -> dict[str, object]:
    return {"requestContext": {"authorizer": {"iam": {"userArn": arn, "userId": unique_id}}}}


@given(st.text())
def test_any_text_is_an_entry_or_none(text: str) -> None:
    entry = entry_of(text)
    if entry is not None:
        again = entry_of(entry.principal)
        assert again is not None
        assert (again.principal, again.named_by_session) == (entry.principal, False)


@given(st.text(), st.text())
def test_any_words_of_the_service_are_a_signer_or_nobody(arn: str, unique_id: str) -> None:
    signer = signer_of(signed_by(arn, unique_id))
    assert signer is None or entry_of(signer.principal) is not None


@given(ACCOUNTS, PATHS, NAMES, NAMES)
def test_a_role_is_found_by_its_sessions_whatever_its_path(
    account: str, path: list[str], name: str, session: str
) -> None:
    entry = entry_of(f"arn:aws:iam::{account}:role/{''.join(f'{part}/' for part in path)}{name}")
    signer = signer_of(signed_by(f"arn:aws:sts::{account}:assumed-role/{name}/{session}"))
    assert entry is not None
    assert signer is not None
    assert (signer.principal, signer.session_name) == (entry.principal, session)


@given(ACCOUNTS, PATHS, NAMES)
def test_a_user_is_found_by_the_whole_arn(account: str, path: list[str], name: str) -> None:
    arn = f"arn:aws:iam::{account}:user/{''.join(f'{part}/' for part in path)}{name}"
    entry, signer = entry_of(arn), signer_of(signed_by(arn, "AIDAEXAMPLE"))
    assert entry is not None
    assert signer is not None
    assert entry.principal == signer.principal == arn
