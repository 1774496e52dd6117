"""Every transport against a provider on loopback that shows what arrived."""

import asyncio
import gc
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from socket import AF_INET, SOCK_STREAM

import pytest

from aigateway.addresses import Network
from aigateway.clock import Clock
from aigateway.errors import RecorderUnavailable, UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from aigateway.relay.http1_upstream import Http1Upstream
from aigateway.relay.httpx_upstream import HttpxUpstream
from aigateway.relay.upstream import Upstream
from tests.clocks import HeldClock
from tests.peers import LOOPBACK, OK, a_request, answering, body_of, peer, read_request, reset

Make = Callable[[Clock, tuple[Network, ...]], Upstream]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=[Http1Upstream, HttpxUpstream])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def upstream(make: Make, clock: HeldClock) -> AsyncIterator[Upstream]:
    made = make(clock, LOOPBACK)
    yield made
    await made.aclose()
    gc.collect()


async def test_i02_target_headers_and_body_arrive_as_they_were(upstream: Upstream) -> None:
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)
        await writer.drain()

    async with peer(script) as provider:
        answer = await upstream.send(a_request(provider))
        assert await body_of(answer) == b"hi"
        host = provider.base_url.host_header
    assert seen == [
        b"POST /v1/../x%2Fy?q=%20 HTTP/1.1\r\nHost: " + host + b"\r\nX-Case: Kept\r\nb: 2\r\n"
        b'B: 3\r\nContent-Length: 7\r\n\r\n{"a":1}'
    ]


async def test_i01_status_and_headers_come_as_they_were(upstream: Upstream) -> None:
    head = b"HTTP/1.1 529 Odd words\r\nX-Twice: 1\r\nx-twice: 2\r\nEmpty:\r\nBlanks: \ta b\t \r\n"
    async with peer(answering(head + b"Content-Length: 2\r\n\r\nhi")) as provider:
        answer = await upstream.send(a_request(provider))
        assert await body_of(answer) == b"hi"
    assert answer.head.status == 529
    assert answer.head.headers == (
        (b"X-Twice", b"1"),
        (b"x-twice", b"2"),
        (b"Empty", b""),
        (b"Blanks", b"a b"),
        (b"Content-Length", b"2"),
    )


async def test_i06_the_last_byte_is_held_until_the_record_is_durable(upstream: Upstream) -> None:
    arrived, over = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader, 6)
        arrived.set()
        assert await reader.readexactly(1) == b"}"
        over.set()
        writer.write(OK)
        await writer.drain()

    async with peer(script) as provider:
        durable = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(upstream.send(a_request(provider, released=durable)))
        await arrived.wait()
        assert not over.is_set()
        durable.set_result(None)
        assert await body_of(await sending) == b"hi"


async def test_i06_a_failed_opening_closes_the_connection_without_the_last_byte(
    upstream: Upstream,
) -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.set_result(await reader.read())

    async with peer(script) as provider:
        durable = asyncio.get_running_loop().create_future()
        durable.set_exception(RecorderUnavailable("down"))
        with pytest.raises(RecorderUnavailable):
            await upstream.send(a_request(provider, released=durable))
        assert await got == b'{"a":1'


async def test_i06_an_answer_that_comes_early_waits_for_the_record(upstream: Upstream) -> None:
    early = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        early.set()
        await reader.read()

    async with peer(script) as provider:
        durable = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(upstream.send(a_request(provider, released=durable)))
        await early.wait()
        await asyncio.wait({sending}, timeout=0.05)
        assert not sending.done()
        durable.set_result(None)
        answer = await sending
        assert (answer.head.status, await body_of(answer)) == (401, b"no")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Soon\r\nLink: x\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (CHUNKED + b"2;a=b\r\nhi\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n", b"hi!"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
        (
            b"HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\n!",
            b"!",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_every_kind_of_body_comes_whole(
    upstream: Upstream, answer: bytes, body: bytes
) -> None:
    async with peer(answering(answer)) as provider:
        assert await body_of(await upstream.send(a_request(provider))) == body


async def test_an_answer_to_head_has_no_body(upstream: Upstream) -> None:
    promised = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    async with peer(answering(promised, promised, length=0)) as provider:
        for _ in range(2):
            request = a_request(provider, b"", "HEAD")
            assert await body_of(await upstream.send(request)) == b""


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\n",
        CHUNKED + b"3\r\nabc\r\nnot a length\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
    ],
)
async def test_i19_a_body_that_breaks_off_is_a_cut_after_what_came(
    upstream: Upstream, answer: bytes
) -> None:
    async with peer(answering(answer)) as provider:
        got = await upstream.send(a_request(provider))
        assert await anext(aiter(got.chunks)) == b"abc"
        with pytest.raises(UpstreamCut):
            await anext(aiter(got.chunks))


async def test_i19_a_reset_is_a_cut_even_where_the_end_of_the_stream_ends_the_body(
    upstream: Upstream,
) -> None:
    got = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await got.wait()
        reset(writer)

    async with peer(script) as provider:
        answer = await upstream.send(a_request(provider))
        assert await anext(aiter(answer.chunks)) == b"abc"
        got.set()
        with pytest.raises(UpstreamCut):
            await anext(aiter(answer.chunks))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX", b"SSH-2.0-OpenSSH_9\r\n"])
async def test_a_provider_without_a_head_is_unreachable(upstream: Upstream, answer: bytes) -> None:
    async with peer(answering(answer)) as provider:
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(a_request(provider))


async def test_a_head_without_end_is_given_up(upstream: Upstream) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Filler: %b\r\n" % (b"x" * 4096))
            await writer.drain()

    async with peer(script) as provider:
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(a_request(provider))


async def test_a_provider_that_says_nothing_in_time_is_a_timeout(upstream: Upstream) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()

    async with peer(script) as provider:
        with pytest.raises(UpstreamTimeout):
            await upstream.send(replace(a_request(provider), first_byte_seconds=0.05))


async def test_a_provider_that_falls_silent_is_a_cut(upstream: Upstream) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED + b"3\r\nabc\r\n")
        await reader.read()

    async with peer(script) as provider:
        answer = await upstream.send(replace(a_request(provider), idle_seconds=0.05))
        assert await anext(aiter(answer.chunks)) == b"abc"
        with pytest.raises(UpstreamCut):
            await anext(aiter(answer.chunks))


async def test_redirects_are_not_followed(upstream: Upstream) -> None:
    moved = b"HTTP/1.1 307 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    async with peer(answering(moved)) as provider:
        answer = await upstream.send(a_request(provider))
        assert answer.head.status == 307
        await answer.aclose()


async def test_connections_are_kept_but_not_after_a_long_silence(
    upstream: Upstream, clock: HeldClock
) -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK, OK, OK)(reader, writer)

    async with peer(script) as provider:
        counts = []
        for seconds in (0, 49, 51):
            clock.advance(seconds)
            assert await body_of(await upstream.send(a_request(provider))) == b"hi"
            counts.append(connections)
        assert counts == [1, 1, 2]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close", b"HTTP/1.0 200 OK"])
async def test_a_provider_that_keeps_no_connection_gets_a_new_one(
    upstream: Upstream, head: bytes
) -> None:
    connections = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(head + b"\r\nContent-Length: 2\r\n\r\nhi")
        await reader.read()

    async with peer(script) as provider:
        for _ in range(2):
            assert await body_of(await upstream.send(a_request(provider))) == b"hi"
    assert connections == 2


@pytest.mark.parametrize("read", [0, 1])
async def test_an_answer_that_is_closed_early_closes_its_connection(
    upstream: Upstream, read: int
) -> None:
    gone = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED + b"3\r\nabc\r\n")
        await reader.read()
        gone.set()

    async with peer(script) as provider:
        answer = await upstream.send(a_request(provider))
        for _ in range(read):
            await anext(aiter(answer.chunks))
        await answer.aclose()
        await answer.aclose()
        async with asyncio.timeout(5):
            await gone.wait()


@pytest.mark.parametrize("held", [True, False])
async def test_a_request_that_is_cancelled_closes_its_connection(
    upstream: Upstream, held: bool
) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await reader.read()
        gone.set()

    async with peer(script) as provider:
        released = asyncio.get_running_loop().create_future() if held else None
        sending = asyncio.create_task(upstream.send(a_request(provider, released=released)))
        await begun.wait()
        sending.cancel()
        await asyncio.wait({sending})
        assert sending.cancelled()
        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_large_body_arrives_whole(upstream: Upstream) -> None:
    body = bytes(range(256)) * 16384
    got: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append((await read_request(reader, len(body)))[-len(body) :])
        writer.write(OK)
        await writer.drain()

    async with peer(script) as provider:
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        assert await body_of(await upstream.send(a_request(provider, body, released=done))) == b"hi"
    assert got == [body]


async def test_a_private_address_is_not_dialled(make: Make) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("dialled")

    async with peer(script) as provider:
        upstream = make(HeldClock(), ())
        with pytest.raises(UpstreamUnreachable, match="no allowed address"):
            await upstream.send(a_request(provider))


async def test_a_name_is_resolved_checked_and_dialled_with_its_own_host_header(
    upstream: Upstream,
) -> None:
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)
        await writer.drain()

    async with peer(script, host="localhost") as provider:
        await (await upstream.send(a_request(provider))).aclose()
    assert b"\r\nHost: localhost:" in seen[0]


async def test_the_next_address_is_tried_where_one_does_not_answer(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two(host: str, port: int, **_: object) -> list[object]:
        return [(AF_INET, SOCK_STREAM, 6, "", (name, port)) for name in ("127.0.0.9", "127.0.0.1")]

    async with peer(answering(OK), host="provider.example") as provider:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
        assert await body_of(await upstream.send(a_request(provider))) == b"hi"


async def test_a_provider_that_nobody_listens_for_is_unreachable(upstream: Upstream) -> None:
    async with peer(answering(OK)) as provider:
        pass
    with pytest.raises(UpstreamUnreachable, match="cannot be connected to"):
        await upstream.send(a_request(provider))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority that signed itself, for localhost; key and certificate in one file."""
    program = shutil.which("openssl")
    if program is None:
        assert not os.environ.get("CI"), "openssl is not installed"
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, file = folder / "key.pem", folder / "certificate.pem"
    extensions = ("subjectAltName=DNS:localhost", "keyUsage=digitalSignature,keyCertSign")
    subprocess.run(
        [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(file)]
        + [word for extension in extensions for word in ("-addext", extension)],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + key.read_text())
    return file


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def test_tls_is_spoken_with_the_providers_own_name(
    upstream: Upstream,
    certificate: Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    named: list[str | None] = []
    spoken: list[str | None] = []

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        named.append(name)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spoken.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await answering(OK, OK)(reader, writer)

    server_tls.sni_callback = note
    async with peer(script, server_tls, "localhost") as provider:
        for _ in range(2):
            assert await body_of(await upstream.send(a_request(provider))) == b"hi"
    assert (named, spoken) == (["localhost"], ["http/1.1"])


async def test_tls_that_ends_without_a_word_ends_no_counted_body(
    upstream: Upstream,
    certificate: Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED + b"3\r\nabc\r\n")
        await writer.drain()
        writer.transport.abort()

    async with peer(script, server_tls, "localhost") as provider:
        answer = await upstream.send(a_request(provider))
        with pytest.raises(UpstreamCut):
            await body_of(answer)


async def test_a_certificate_of_another_name_or_of_nobody_is_refused(
    make: Make,
    certificate: Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with peer(answering(OK), server_tls, "localhost") as provider:
        trusting_nobody = make(HeldClock(), LOOPBACK)
        with pytest.raises(UpstreamUnreachable):
            await trusting_nobody.send(a_request(provider))
        await trusting_nobody.aclose()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with peer(answering(OK), server_tls, "127.0.0.1") as provider:
        trusting = make(HeldClock(), LOOPBACK)
        with pytest.raises(UpstreamUnreachable):
            await trusting.send(a_request(provider))
        await trusting.aclose()
