"""No way leads to an address of the inside: not by a base URL, a name, a redirect, a proxy.

Spellings are tried on the pool and on the whole gateway, names on each transport with a resolver
that answers as an attacker would. The provider's key reaches nobody but the provider.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import final

import pytest

from aigateway import outbound
from aigateway.addresses import Network, literal_of, may_be_dialled
from aigateway.caller.keys import key_from, new_secret
from aigateway.clock import Clock
from aigateway.errors import RowInvalid, UpstreamUnreachable
from aigateway.ledger.sqlite import SqliteStore
from aigateway.pool.base_url import base_url_from
from aigateway.pool.providers import Provider, ProviderRow, SecretRef
from aigateway.relay.assembly import App, build
from aigateway.relay.dialling import Resolve
from aigateway.relay.http1_upstream import Http1Upstream
from aigateway.relay.httpx_upstream import HttpxUpstream
from aigateway.relay.upstream import Upstream
from aigateway.settings import Settings
from local.in_process import Answered, call
from tests.acceptance.words import messages
from tests.builders import a_user, at
from tests.certificates import Authority, an_authority
from tests.clocks import HeldClock
from tests.peers import OK, Script, a_request, answering, body_of, peer, read_request
from tests.reloads import a_reload

Make = Callable[[Clock, tuple[Network, ...], Resolve], Upstream]
THIS = (ip_network("127.0.0.1/32"),)
PLANTED = "sk-planted-0123456789abcdef"

ADDRESSES = {
    "instance metadata": "169.254.169.254",
    "container credentials": "169.254.170.2",
    "the resolver of a VPC": "169.254.169.253",
    "instance metadata by IPv6": "fd00:ec2::254",
    "container credentials by IPv6": "fd00:ec2::23",
    "loopback": "127.0.0.1",
    "the runtime of a function": "127.0.0.1",
    "all of loopback": "127.255.255.254",
    "loopback by IPv6": "::1",
    "this network": "0.0.0.0",  # noqa: S104 - to be refused
    "unspecified by IPv6": "::",
    "private": "10.0.0.1",
    "private too": "172.31.255.255",
    "private as well": "192.168.1.1",
    "carrier-grade NAT": "100.100.100.200",
    "multicast": "224.0.0.251",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "documentation": "203.0.113.1",
    "unique local": "fd12:3456::1",
    "link-local by IPv6": "fe80::a9fe:a9fe",
    "link-local with a zone": "fe80::1%lo",
    "site-local": "fec0::1",
    "multicast by IPv6": "ff02::1",
    "IPv4-mapped": "::ffff:169.254.169.254",
    "IPv4-mapped in hexadecimal": "::ffff:a9fe:a9fe",
    "IPv4-compatible": "::169.254.169.254",
    "IPv4-translated": "::ffff:0:169.254.169.254",
    "NAT64 of metadata": "64:ff9b::a9fe:a9fe",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "local NAT64": "64:ff9b:1::a9fe:a9fe",
    "6to4 of metadata": "2002:a9fe:a9fe::1",
    "Teredo": "2001:0:a9fe:a9fe::1",
}
"""What a name may resolve to, and what stands in a URL as it is."""

SPELLINGS = {
    "decimal": "2852039166",
    "decimal loopback": "2130706433",
    "octal": "0251.0376.0251.0376",
    "octal loopback": "0177.0.0.1",
    "hexadecimal": "0xa9fea9fe",
    "hexadecimal by parts": "0xa9.0xfe.0xa9.0xfe",
    "short": "127.1",
    "short hexadecimal": "0x7f.1",
    "short zero": "0",
    "two parts": "169.16689662",
    "three parts": "169.254.43518",
    "leading zeros": "127.000.000.001",
    "more than a byte": "127.0.0.257",
    "five parts": "127.0.0.0.1",
    "a dot at the end": "169.254.169.254.",
    "a dot behind a number": "2130706433.",
    "a dot behind a name": "localhost.",
    "no hexadecimal digit": "0x",
    "a number at the end of a name": "metadata.1",
    "an empty label": "a..example",
    "a percent-encoded dot": "169%2e254%2e169%2e254",
    "percent-encoded digits": "%31%32%37.0.0.1",
    "a percent-encoded slash": "h.example%2f169.254.169.254",
    "a user": "h.example@169.254.169.254",
    "a user and a word": "h.example:443@169.254.169.254",
    "an empty user": "@169.254.169.254",
    "a user behind a backslash": "169.254.169.254\\@h.example",
    "a backslash": "h.example\\.169.254.169.254",
    "a fragment in front": "169.254.169.254#@h.example",
    "a query in front": "169.254.169.254?@h.example",
    "a tab": "169.254.\t169.254",
    "a line end": "h.example\n169.254.169.254",
    "a blank": "169.254.169.254 h.example",
    "digits in circles": "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
    "an ideographic dot": "127。0。0。1",
    "full-width digits": "\uff11\uff12\uff17.0.0.1",
    "a soft hyphen": "local\u00adhost",
    "Kelvin for k": "\u212aelvin.example",
    "a zone": "[fe80::1%25lo]",
    "a zone behind a public address": "[2606:4700::1111%25lo]",
    "brackets around IPv4": "[127.0.0.1]",
    "brackets around a name": "[localhost]",
    "an unfinished bracket": "[::1",
    "an address of another kind": "[v1.fe80]",
    "mapped, with zeros": "[0:0:0:0:0:ffff:169.254.169.254]",
    "no host": "",
    "a comma": "h.example,169.254.169.254",
    "a star": "*",
}
"""Hosts of URLs that some program or other takes for an address, or for two hosts."""


def bracketed(address: str) -> str:
    return f"[{address.replace('%', '%25')}]" if ":" in address else address


HOSTS = {name: bracketed(address) for name, address in ADDRESSES.items()} | SPELLINGS


@pytest.fixture(params=[Http1Upstream, HttpxUpstream])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@asynccontextmanager
async def an_upstream(
    make: Make, resolve: Resolve, *, allowed: tuple[Network, ...] = (), clock: Clock | None = None
) -> AsyncIterator[Upstream]:
    made = make(clock or HeldClock(), allowed, resolve)
    try:
        yield made
    finally:
        await made.aclose()


@final
class Resolver:
    """Answers as it is told, one answer after another, the last one for ever."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        return self.answers.pop(0) if self.answers[1:] else self.answers[0]


def named(provider: Provider, host: str = "h.example") -> Provider:
    """Return the provider under a name, which leads where the test's resolver says."""
    return replace(provider, base_url=replace(provider.base_url, host=host))


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise AssertionError("dialled")


# The base URL


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_no_spelling_of_an_address_is_a_base_url(host: str, scheme: str) -> None:
    for url in (f"{scheme}://{host}", f"{scheme}://{host}:8443/v1", f"{scheme}://{host}/"):
        with pytest.raises(RowInvalid, match=r"^base_url: "):
            base_url_from(url, ())


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_no_other_allowed_network_opens_an_address(address: str) -> None:
    assert not may_be_dialled(address, (ip_network("10.1.0.0/16"), ip_network("fd99::/16")))


@pytest.mark.parametrize("address", ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"])
def test_an_allowed_way_into_ipv4_opens_no_forbidden_address_behind_it(address: str) -> None:
    ways = (ip_network("64:ff9b::/96"), ip_network("2002::/16"))
    assert not may_be_dialled(address, ways)
    assert may_be_dialled(address, (*ways, ip_network("169.254.169.254/32")))
    assert may_be_dialled("64:ff9b::808:808", ways)


# The whole gateway


@final
class Gateway:
    """One member, and one provider."""

    def __init__(self, app: App, secret: str) -> None:
        self.app = app
        self.secret = secret

    async def ask(self) -> Answered:
        body = json.dumps(messages("go")).encode()
        sent = {"authorization": f"Bearer {self.secret}"}
        return await call(self.app, "POST", "/main/v1/messages", (body,), sent)


@asynccontextmanager
async def a_gateway(
    url: str, resolve: Resolve, allowed: tuple[Network, ...] = ()
) -> AsyncIterator[Gateway]:
    clock, store = HeldClock(), SqliteStore(None)
    await store.start()
    user, secret = a_user(), new_secret()
    await store.add_user(user)
    await store.put_key(key_from(secret, user.id, "test", at(0), at(86_400)))
    keys = [{"id": "k1", "masked": "sk-p...nted"}]
    row = {"name": "main", "type": "anthropic", "base_url": url, "api_keys": keys}
    await store.put_provider(ProviderRow("main", row, 1), None)
    reload = a_reload(clock, allowed=allowed)
    await reload.run(store)
    settings = Settings(snapshot_poll_seconds=0.0, allowed_private_cidrs=allowed)
    upstream = Http1Upstream(clock, allowed, resolve)
    try:
        yield Gateway(build(settings, store, Planted(), clock, upstream), secret)
    finally:
        await upstream.aclose()
        await store.stop()


@final
class Planted:
    async def key(self, ref: SecretRef) -> str:
        return f"{PLANTED}-{ref.provider}"


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
async def test_a_provider_at_such_an_address_is_an_error_and_nothing_is_resolved(host: str) -> None:
    resolver = Resolver(("127.0.0.1",))
    async with a_gateway(f"https://{host}", resolver) as gateway:
        answered = await gateway.ask()
    assert answered.status == 503
    assert answered.headers["x-ai-gateway-error"] == "provider_error"
    assert answered.headers["x-should-retry"] == "false"
    assert b"base_url: " in answered.body
    assert resolver.asked == []


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
async def test_a_name_that_leads_to_such_an_address_is_not_reached(address: str) -> None:
    async with peer(never) as listening:
        url = f"https://h.example:{listening.base_url.port}"
        async with a_gateway(url, Resolver((address,))) as gateway:
            answered = await gateway.ask()
    assert answered.status == 502
    assert answered.headers["x-ai-gateway-error"] == "upstream_unreachable"
    assert address.encode() not in answered.body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "//127.0.0.1", "/"])
async def test_a_redirect_is_passed_on_and_not_followed(status: int, target: str) -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 2\r\n\r\nhi"
        writer.write(head.encode())
        await reader.read()

    resolver = Resolver(("127.0.0.1",))
    async with peer(script) as listening:
        url = f"http://localhost:{listening.base_url.port}"
        async with a_gateway(url, resolver, THIS) as gateway:
            answered = await gateway.ask()
    assert (answered.status, answered.headers["location"]) == (status, target)
    assert answered.body == b"hi"
    assert (connections, resolver.asked) == (1, ["localhost"])


# The transports


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
async def test_neither_transport_dials_such_an_address(make: Make, address: str) -> None:
    async with (
        peer(never) as listening,
        an_upstream(make, Resolver((address,))) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable, match="no allowed address"):
            await upstream.send(a_request(named(listening)))


async def test_of_several_addresses_only_the_allowed_ones_are_dialled(make: Make) -> None:
    several = ("169.254.169.254", "127.0.0.2", "::1", "127.0.0.1")
    seen: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("sockname")[0])
        await answering(OK)(reader, writer)

    async with (
        peer(script) as listening,
        an_upstream(make, Resolver(several), allowed=THIS) as upstream,
    ):
        assert await body_of(await upstream.send(a_request(named(listening)))) == b"hi"
    assert seen == ["127.0.0.1"]


async def test_a_name_is_resolved_once_for_check_and_connection_alike(make: Make) -> None:
    """A second answer would be that of an attacker who changes it in between."""
    resolver = Resolver(("127.0.0.1",), ("169.254.169.254",))
    async with (
        peer(answering(OK)) as listening,
        an_upstream(make, resolver, allowed=THIS) as upstream,
    ):
        assert await body_of(await upstream.send(a_request(named(listening)))) == b"hi"
    assert resolver.asked == ["h.example"]


async def test_a_name_that_moves_to_such_an_address_is_not_dialled_there(make: Make) -> None:
    resolver, clock = Resolver(("127.0.0.1",), ("169.254.169.254",)), HeldClock()
    once = answering(OK.replace(b"X-Twice: 1", b"Connection: close"))
    async with (
        peer(once) as listening,
        an_upstream(make, resolver, allowed=THIS, clock=clock) as upstream,
    ):
        for seconds in (0, 29):
            clock.thaw_after(seconds)
            assert await body_of(await upstream.send(a_request(named(listening)))) == b"hi"
        clock.thaw_after(1)
        for _ in range(2):
            with pytest.raises(UpstreamUnreachable, match="no allowed address"):
                await upstream.send(a_request(named(listening)))
    assert len(resolver.asked) == 3, "what was refused is not remembered"


@pytest.mark.parametrize("fault", [OSError("no such name"), UnicodeError("label too long")])
async def test_a_name_that_cannot_be_resolved_is_unreachable(make: Make, fault: Exception) -> None:
    async def failing(host: str, port: int) -> tuple[str, ...]:
        raise fault

    async with peer(never) as listening, an_upstream(make, failing, allowed=THIS) as upstream:
        with pytest.raises(UpstreamUnreachable, match="cannot be resolved"):
            await upstream.send(a_request(named(listening)))


async def test_a_proxy_of_the_environment_is_not_used(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with peer(never) as proxy, peer(answering(OK)) as listening:
        address = f"http://127.0.0.1:{proxy.base_url.port}"
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.upper(), address)
        async with an_upstream(make, Resolver(("127.0.0.1",)), allowed=THIS) as upstream:
            assert await body_of(await upstream.send(a_request(named(listening)))) == b"hi"


# The control plane's own requests


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", SPELLINGS.values(), ids=SPELLINGS)
def test_a_request_of_the_control_plane_takes_no_odd_spelling(host: str, scheme: str) -> None:
    """Where a URL library sees another host in it, that is one in its usual form."""

    def resolve(name: str, _: int) -> list[str]:
        literal_of(name)
        return ["169.254.169.254"]

    with pytest.raises(UpstreamUnreachable):
        outbound.send(outbound.Request("GET", f"{scheme}://{host}/v1/models"), resolve=resolve)


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_a_request_of_the_control_plane_is_not_sent_to_such_an_address(address: str) -> None:
    request = outbound.Request("GET", "https://h.example/v1/models", {"X-Api-Key": PLANTED})
    with pytest.raises(UpstreamUnreachable, match="no allowed address") as raised:
        outbound.send(request, resolve=lambda *_: [address])
    assert PLANTED not in str(raised.value)


# The key


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = an_authority(tmp_path / "trusted")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def with_key(provider: Provider, key: str = PLANTED) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"Host-Of", provider.base_url.host.encode()), (b"X-Api-Key", key.encode()))


@pytest.mark.parametrize("fault", ["another name", "another authority", "expired"])
async def test_i10_a_key_is_not_sent_to_who_cannot_prove_the_name(
    make: Make, fault: str, authority: Authority, tmp_path: Path
) -> None:
    signing = an_authority(tmp_path / "other") if fault == "another authority" else authority
    name = "other.example" if fault == "another name" else "h.example"
    tls = signing.server(name, days_left=-1 if fault == "expired" else 2)
    heard = b""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read()

    async with (
        peer(script, tls) as listening,
        an_upstream(make, Resolver(("127.0.0.1",)), allowed=THIS) as upstream,
    ):
        provider = named(listening)
        with pytest.raises(UpstreamUnreachable, match="cannot be connected to"):
            await upstream.send(replace(a_request(provider), headers=with_key(provider)))
    assert heard == b""


async def test_a_certificate_of_the_name_is_accepted(make: Make, authority: Authority) -> None:
    async with (
        peer(answering(OK), authority.server("h.example")) as listening,
        an_upstream(make, Resolver(("127.0.0.1",)), allowed=THIS) as upstream,
    ):
        assert await body_of(await upstream.send(a_request(named(listening)))) == b"hi"


def telling_names(tls: ssl.SSLContext, heard: list[tuple[str | None, bytes]]) -> Script:
    """Note for each request the name of the connection that it came on."""
    names: dict[ssl.SSLObject, str | None] = {}

    def note(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        names[connection] = name

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = names[writer.get_extra_info("ssl_object")]
        for _ in range(9):
            heard.append((name, await read_request(reader)))
            writer.write(OK)
            await writer.drain()

    tls.sni_callback = note
    return script


async def test_i10_a_key_follows_an_edited_base_url_and_no_kept_connection(
    make: Make, authority: Authority
) -> None:
    """Both names have the same address and port; a certificate could even speak for both."""
    tls = authority.server("old.example", "new.example")
    heard: list[tuple[str | None, bytes]] = []
    async with (
        peer(telling_names(tls, heard), tls) as listening,
        an_upstream(make, Resolver(("127.0.0.1",)), allowed=THIS) as upstream,
    ):
        hosts = ["old.example", "old.example", "new.example", "new.example", "old.example"]
        for host in hosts:
            provider = named(listening, host)
            key = f"{PLANTED}-{host}"
            request = replace(a_request(provider), headers=with_key(provider, key))
            assert await body_of(await upstream.send(request)) == b"hi"
    assert [name for name, _ in heard] == hosts
    for name, request_bytes in heard:
        assert f"X-Api-Key: {PLANTED}-{name}\r\n".encode() in request_bytes
        assert request_bytes.count(PLANTED.encode()) == 1


async def test_i10_providers_that_share_a_host_share_connections_but_no_key(make: Make) -> None:
    heard: list[bytes] = []
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(4):
            heard.append(await read_request(reader))
            writer.write(OK)
            await writer.drain()

    async with (
        peer(script) as listening,
        an_upstream(make, Resolver(("127.0.0.1",)), allowed=THIS) as upstream,
    ):
        for name in ("one", "two", "one"):
            provider = replace(named(listening), name=name)
            key = await Planted().key(SecretRef(name, "k1", "sk-p...nted"))
            request = replace(a_request(provider), headers=with_key(provider, key))
            assert await body_of(await upstream.send(request)) == b"hi"
    expected = [f"X-Api-Key: {PLANTED}-{name}\r\n".encode() for name in ("one", "two", "one")]
    assert all(key in request for key, request in zip(expected, heard, strict=True))
    assert all(request.count(PLANTED.encode()) == 1 for request in heard)
    assert connections == 1
