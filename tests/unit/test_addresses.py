"""Which addresses a provider may have."""

from ipaddress import IPv4Address, IPv6Address, ip_network
from socket import inet_aton

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.addresses import literal_of, may_be_dialled

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "100.63.255.255", "2606:4700::1111"])
def test_public_addresses_may_be_dialled(address: str) -> None:
    assert may_be_dialled(address, ())


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - the address that must be refused
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
    ],
)
def test_private_link_local_and_metadata_addresses_are_blocked(address: str) -> None:
    assert not may_be_dialled(address, ())
    assert not may_be_dialled(address, (ip_network("203.0.113.0/24"),))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_an_allowed_network_opens_its_own_addresses(address: str) -> None:
    assert may_be_dialled(address, LOOPBACK)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::2", "fe80::1"])
def test_an_allowed_network_opens_no_other_address(address: str) -> None:
    assert not may_be_dialled(address, LOOPBACK)


@given(st.ip_addresses())
def test_what_python_calls_no_global_address_is_blocked(
    address: IPv4Address | IPv6Address,
) -> None:
    """The oracle knows the registries too; it allows more, for it counts anycast as global."""
    if not address.is_global:
        assert not may_be_dialled(str(address), ())


@given(st.ip_addresses(v=4))
def test_whatever_embeds_an_address_may_be_dialled_only_where_that_may(inner: IPv4Address) -> None:
    everything = tuple(ip_network(text) for text in ("::/96", "64:ff9b::/96", "2002::/16"))
    embedding = (
        IPv6Address(0x64FF9B << 96 | int(inner)),
        IPv6Address(0x2002 << 112 | int(inner) << 80),
    )
    for outer in embedding:
        assert may_be_dialled(str(outer), everything) == may_be_dialled(str(inner), everything)
    mapped = f"::ffff:{inner}"
    assert may_be_dialled(mapped, ()) == may_be_dialled(str(inner), ())


@given(st.ip_addresses())
def test_an_address_in_its_usual_form_is_a_literal(address: IPv4Address | IPv6Address) -> None:
    assert literal_of(str(address)) == str(address)


@pytest.mark.parametrize("name", ["h.example", "a", "_a.b-c.example", "xn--bcher-kva.example"])
def test_a_name_is_no_literal(name: str) -> None:
    assert literal_of(name) is None


@given(st.text(alphabet="0123456789abcdefx.:%-_[]@/", max_size=24))
def test_what_the_resolver_takes_for_a_number_is_a_literal_or_refused(host: str) -> None:
    """The oracle is the C library's reader of IPv4 addresses, which takes every odd form."""
    try:
        found = literal_of(host)
    except ValueError:
        return
    if found is None:
        with pytest.raises(OSError, match="illegal IP address"):
            inet_aton(host)
