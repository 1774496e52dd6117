"""Requests that are wrong, or could be read in two ways, as bytes."""

from collections.abc import Mapping

from tests.hostile.raw import BODY, MESSAGES, chunked, posted, request

LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
PLAIN = posted()
HIDDEN = request(b"GET", b"/anthropic/v1/models/hidden")
"""What a smuggler wants to be taken for a request of its own."""


def post(*headers: bytes, body: bytes = BODY) -> bytes:
    """Return a request whose framing is among the headers."""
    return request(b"POST", MESSAGES, *headers, body=body)


def passed(path: bytes) -> bytes:
    return request(b"GET", b"/anthropic" + path)


MALFORMED: Mapping[str, bytes] = {
    "a length and chunks": post(LENGTH, CHUNKED, body=chunked(BODY)),
    "chunks and a length": post(CHUNKED, LENGTH, body=chunked(BODY)),
    "two equal lengths": post(LENGTH, LENGTH),
    "two lengths": post(b"Content-Length: 3", LENGTH),
    "a list of lengths": post(b"Content-Length: 72, 72"),
    "a signed length": post(b"Content-Length: +72"),
    "a negative length": post(b"Content-Length: -1"),
    "a length in base 16": post(b"Content-Length: 0x48"),
    "a length past all numbers": post(b"Content-Length: 99999999999999999999999"),
    "a length with a blank": post(b"Content-Length: 7 2"),
    "an empty length": post(b"Content-Length:"),
    "a folded header": posted(b"X-A: 1\r\n more"),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked", body=chunked(BODY)),
    "a bare line feed": posted(b"X-A: 1\nX-B: 2"),
    "line feeds alone": PLAIN.replace(b"\r\n", b"\n"),
    "a bare carriage return": posted(b"X-A: 1\rX-B: 2"),
    "a zero byte": posted(b"X-A: a\0b"),
    "an escape": posted(b"User-Agent: \x1b[31m"),
    "a delete": posted(b"X-A: a\x7fb"),
    "a blank before the colon": posted(b"X-A : 1"),
    "a blank before the length's colon": post(b"Content-Length : 72"),
    "a blank before the coding's colon": post(b"Transfer-Encoding : chunked", body=chunked(BODY)),
    "no name": posted(b": x"),
    "no colon": posted(b"X-A"),
    "a name with brackets": posted(b"X(A): x"),
    "a name beyond ASCII": posted(b"X-\xff: x"),
    "another coding": post(b"Transfer-Encoding: xchunked", body=chunked(BODY)),
    "another coding and a length": post(b"Transfer-Encoding: xchunked", LENGTH),
    "the coding that is none": post(b"Transfer-Encoding: identity"),
    "a coding before chunked": post(b"Transfer-Encoding: gzip, chunked", body=chunked(BODY)),
    "a coding behind chunked": post(b"Transfer-Encoding: chunked, gzip", body=chunked(BODY)),
    "chunked twice": post(CHUNKED, CHUNKED, body=chunked(BODY)),
    "chunked and another line": post(CHUNKED, b"Transfer-Encoding: identity", body=chunked(BODY)),
    "a coding behind a strange blank": post(b"Transfer-Encoding: \x0bchunked", body=chunked(BODY)),
    "chunks in HTTP/1.0": post(CHUNKED, body=chunked(BODY)).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a negative chunk": post(CHUNKED, body=b"-1\r\n" + chunked(BODY)),
    "a chunk in words": post(CHUNKED, body=b"0x48\r\n%b\r\n0\r\n\r\n" % BODY),
    "a chunk past all numbers": post(CHUNKED, body=b"f" * 17 + b"\r\n%b\r\n0\r\n\r\n" % BODY),
    "a chunk longer than it says": post(CHUNKED, body=b"5\r\n%b\r\n0\r\n\r\n" % BODY),
    "chunks by line feeds": post(CHUNKED, body=chunked(BODY).replace(b"\r\n", b"\n")),
    "a blank behind a chunk's size": post(
        CHUNKED, body=chunked(BODY).replace(b"\r\n", b" \r\n", 1)
    ),
    "a line feed in a chunk's extension": post(
        CHUNKED, body=chunked(BODY).replace(b"\r\n", b";a\nb\r\n", 1)
    ),
    "a carriage return in a chunk's extension": post(
        CHUNKED, body=chunked(BODY).replace(b"\r\n", b";a\rb\r\n", 1)
    ),
    "no host": PLAIN.replace(b"Host: x\r\n", b""),
    "two hosts": posted(b"Host: y"),
    "a target without a path": PLAIN.replace(MESSAGES, b"http://evil.example?" + MESSAGES),
    "an authority": PLAIN.replace(b"POST " + MESSAGES, b"CONNECT evil.example:443"),
    "a path beyond ASCII": passed(b"/v1/models/\xff\xfe"),
    "a query beyond ASCII": posted(path=MESSAGES + b"?a=\xff"),
    "a control character in the query": posted(path=MESSAGES + b"?a=\x01"),
    "a blank in the query": posted(path=MESSAGES + b"?a= b"),
    "a blank in the method": PLAIN.replace(b"POST", b"PO ST", 1),
    "a method in small letters": PLAIN.replace(b"POST", b"post", 1),
    "a method of no protocol": PLAIN.replace(b"POST", b"BREW", 1),
    "HTTP/0.9": b"GET /anthropic/v1/models\r\n\r\n",
    "HTTP/1.2": PLAIN.replace(b"HTTP/1.1", b"HTTP/1.2"),
    "HTTP/2.0": PLAIN.replace(b"HTTP/1.1", b"HTTP/2.0"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "the hello of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "an upgrade to HTTP/2 with a body": posted(
        b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"
    ),
    "an upgrade with a request as its body": posted(
        b"Connection: Upgrade", b"Upgrade: h2c", body=HIDDEN
    ),
    "an upgrade with a request in chunks": post(
        b"Connection: Upgrade", b"Upgrade: websocket", CHUNKED, body=chunked(HIDDEN)
    ),
}
"""Refused with 400 before they are requests."""

TOO_LARGE: Mapping[str, bytes] = {
    "a header of a megabyte": posted(b"X-A: " + b"a" * 1_000_000),
    "a header without an end": b"POST / HTTP/1.1\r\nX-A: " + b"a" * 1_000_000,
    "a name without an end": b"POST / HTTP/1.1\r\n" + b"a" * 1_000_000,
    "many headers": posted(*(b"X-%d: a" % number for number in range(300))),
    "100,000 headers": posted(*(b"X-%d: a" % number for number in range(100_000))),
    "a URL of a megabyte": posted(path=MESSAGES + b"?a=" + b"a" * 1_000_000),
    "a URL without an end": b"GET /" + b"a" * 1_000_000,
    "a method without an end": b"G" * 1_000_000,
}
"""Refused with 431, or, where no limit but the grammar is broken first, with 400."""

ELSEWHERE: Mapping[str, bytes] = {
    "dots": posted(path=b"/anthropic/v1/../v1/messages"),
    "dots in what is passed through": passed(b"/v1/models/../files"),
    "dots encoded": passed(b"/v1/models/%2e%2e/files"),
    "dots encoded twice": passed(b"/v1/models/%252e%252e/files"),
    "dots with a parameter": passed(b"/v1/models/..;/files"),
    "a slash encoded": passed(b"/v1/models/a%2f..%2ffiles"),
    "a backslash": passed(b"/v1/models/..\\files"),
    "a zero byte encoded": passed(b"/v1/models/a%00b"),
    "a line end encoded": passed(b"/v1/models/a%0d%0aX-A:1"),
    "two slashes": posted(path=b"/" + MESSAGES),
    "another host's path": posted(path=b"//evil.example" + MESSAGES),
    "a path behind the route": posted(path=MESSAGES + b"/x"),
}
"""No route: refused with 404."""

SERVED: Mapping[str, bytes] = {
    "chunks": post(CHUNKED, body=chunked(BODY[:9], BODY[9:])),
    "a tab before the coding": post(b"Transfer-Encoding:\tchunked", body=chunked(BODY)),
    "a chunk's extension": post(CHUNKED, body=chunked(BODY).replace(b"\r\n", b';a="b;c"\r\n', 1)),
    "trailers": post(CHUNKED, body=chunked(BODY)[:-2] + b"X-Api-Key: k\r\nX-A: 1\r\n\r\n"),
    "empty lines first": b"\r\n\r\n" + PLAIN,
    "an absolute target": PLAIN.replace(MESSAGES, b"http://evil.example" + MESSAGES),
    "a fragment": posted(path=MESSAGES + b"#x"),
    "a line end encoded in the query": posted(path=MESSAGES + b"?a=%0d%0aX-A:1"),
    "a coding by another name": posted(b"Transfer_Encoding: chunked", b"Content_Length: 1"),
    "a key by another name": posted(b"X_Api_Key: k", b"Proxy_Authorization: k"),
    "a header beyond ASCII": posted(b"X-A: \xff\xc3\xa9", b"User-Agent: \xc2\x85\xe2\x80\xa8"),
    "a connection that names the rest": posted(
        b"Connection: content-length, authorization, x-hidden", b"X-Hidden: 1"
    ),
    "a strange expectation": posted(b"Expect: 200-ok"),
    "a header of 60,000 bytes": posted(b"X-A: " + b"a" * 60_000),
}
"""Unusual and clear: one well-formed request goes on."""

FOLLOWED: Mapping[str, bytes] = {
    "an unknown key": PLAIN.replace(b"Bearer aigw_", b"Bearer aigw-").replace(
        b"Connection: close\r\n", b""
    ),
    "an unknown provider": PLAIN.replace(MESSAGES, b"/nobody/v1/messages").replace(
        b"Connection: close\r\n", b""
    ),
    "a body that is no JSON": posted(body=HIDDEN).replace(b"Connection: close\r\n", b"", 1),
    "a body too large": post(b"Content-Length: 40000000", body=b" " * 40_000_000).replace(
        b"Connection: close\r\n", b""
    ),
}
"""Refused in themselves; the next request on the connection is another one."""
