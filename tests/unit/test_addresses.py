"""Which addresses a provider may have."""

from ipaddress import ip_network

import pytest

from aigateway.addresses import may_be_dialled

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
