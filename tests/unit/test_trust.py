"""Certificates are read once for all connections of a process."""

from aigateway.trust import Trust, verifying


def test_a_context_is_made_once_for_all_who_share_it() -> None:
    trust = Trust()
    assert trust.context() is trust.context()
    assert trust.context() is not verifying()
