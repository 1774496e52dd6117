"""Which addresses may be dialled: nothing private, link-local or of a metadata service.

Pure: the caller resolves names and hands the addresses in, so that what was checked is what is
dialled.
"""

import re
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
HOST_LIMIT = 253
"""Of a name in the DNS: RFC 1035 section 2.3.4, without the dot at its end."""

NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
LOOPBACK_6 = IPv6Address("::1")
"""Stands among the addresses with an IPv4 address at their end, and has none."""

BLOCKED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, instance metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation, and so are the other two
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
"""Special-purpose ranges (IANA IPv4 and IPv6 special-purpose address registries, 2026-07)."""

EMBEDDING: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Networks whose addresses lead to an IPv4 address, which stands so many bits from the right."""


def may_be_dialled(address: str, allowed: tuple[Network, ...]) -> bool:
    """Whether a provider may live at ``address``, an IP address as text.

    One that leads to an IPv4 address may only if both may.
    """
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    if mapped is not None:
        ip = mapped
    return all(_in(each, allowed) or not _in(each, BLOCKED) for each in (ip, *_embedded(ip)))


def _in(ip: Address, networks: tuple[Network, ...]) -> bool:
    return any(ip in network for network in networks if network.version == ip.version)


def _embedded(ip: Address) -> tuple[IPv4Address, ...]:
    if ip.version == 4 or ip == LOOPBACK_6:  # noqa: PLR2004 - of the Internet Protocol
        return ()
    return tuple(
        IPv4Address(int(ip) >> bits & 0xFFFF_FFFF) for network, bits in EMBEDDING if ip in network
    )


def literal_of(host: str) -> str | None:
    """Return the address that a host is, in its usual form, or nothing for a name.

    ``host`` is in lower case, without the brackets of an IPv6 address. Raises ``ValueError`` for
    what is neither a name of the DNS nor an address in its one standard form: resolvers take
    ``2130706433``, ``0x7f.1`` and ``127.1`` for 127.0.0.1 (WHATWG URL 3.5, "ends in a number").
    """
    if ":" in host:
        if "%" in host:
            raise ValueError("an address of a provider has no zone")
        return str(IPv6Address(host))
    labels = host.split(".")
    if len(host) > HOST_LIMIT or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError("expected labels of letters, digits and hyphens, joined by dots")
    return str(IPv4Address(host)) if NUMBER.fullmatch(labels[-1]) else None
