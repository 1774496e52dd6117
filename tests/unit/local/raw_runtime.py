"""A runtime of the plainest kind: `python raw_runtime.py`. It does what the event asks for."""

import base64
import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ADDRESS = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"
PRELUDE = "application/vnd.awslambda.http-integration-response"

Event = dict[str, Any]


def call(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str, bytes]:
    """Make a call; return status, request id and body."""
    connection = http.client.HTTPConnection(ADDRESS)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, PREFIX + path, body or None, named)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, reply.headers.get("Lambda-Runtime-Aws-Request-Id", ""), content


def answer(request_id: str, body: bytes) -> int:
    return call("POST", f"invocation/{request_id}/response", body)[0]


def stream(request_id: str, content: bytes, content_type: str = PRELUDE) -> int:
    return call(
        "POST",
        f"invocation/{request_id}/response",
        content,
        Lambda_Runtime_Function_Response_Mode="streaming",
        Content_Type=content_type,
    )[0]


def prelude(status: int = 200, **headers: str) -> bytes:
    return json.dumps({"statusCode": status, "headers": headers}).encode() + bytes(8)


def echo(request_id: str, event: Event) -> None:
    answer(request_id, json.dumps(event).encode())


def tell(request_id: str, _: Event) -> None:
    names = ["_HANDLER", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "HOME", "OWN"]
    told = {name: os.environ.get(name) for name in [*names, "PYTEST_CURRENT_TEST"]}
    answer(request_id, json.dumps({**told, "pid": os.getpid(), "cwd": str(Path.cwd())}).encode())


def error(request_id: str, _: Event) -> None:
    document = b'{"errorMessage":"no","errorType":"Wanted"}'
    call("POST", f"invocation/{request_id}/error", document)


def empty(request_id: str, _: Event) -> None:
    stream(request_id, prelude(303, location="/"))


def teapot(request_id: str, _: Event) -> None:
    answer(request_id, b'{"statusCode": 418, "body": "no"}')


def octets(request_id: str, _: Event) -> None:
    stream(request_id, b"as it is", "text/plain")


def unended(request_id: str, _: Event) -> None:
    stream(request_id, b'{"statusCode": 200}')


def injected(request_id: str, _: Event) -> None:
    stream(request_id, prelude(200, x="a\r\nset-cookie: b") + b"body")


def length(request_id: str, _: Event) -> None:
    headers = {"Content-Length": "4", "Transfer-Encoding": "gzip"}
    stream(request_id, prelude(200, **headers) + b"body")


def rest(request_id: str, event: Event) -> None:
    document = {
        "statusCode": 201,
        "headers": {"x-one": event["path"]},
        "multiValueHeaders": {"x-two": ["a", "b"]},
        "body": base64.b64encode(b"\xff\x00").decode(),
        "isBase64Encoded": True,
    }
    answer(request_id, json.dumps(document).encode())


def eat(request_id: str, _: Event) -> None:
    kept = bytearray(200 << 20)
    kept[::4096] = b"x" * len(kept[::4096])
    time.sleep(30)


def early(request_id: str, _: Event) -> None:
    """Ask for the next event before this one is answered."""
    status, again, _body = call("GET", "invocation/next")
    answer(request_id, json.dumps({"status": status, "same": again == request_id}).encode())


def oversized(request_id: str, _: Event) -> None:
    Path(os.environ["OWN"]).write_text(str(answer(request_id, bytes(6_291_557))))


def ends(request_id: str, _: Event) -> None:
    stream(request_id, prelude() + b"all of it")
    os._exit(0)


def hold(request_id: str, event: Event) -> None:
    time.sleep(event.get("seconds", 0.5))
    answer(request_id, str(os.getpid()).encode())


ACTS: dict[str, Callable[[str, Event], None]] = {
    act.__name__: act
    for act in (
        echo, tell, error, empty, teapot, octets, unended, injected, length, rest, eat, early,
        oversized, ends, hold,
    )
}  # fmt: skip


def start() -> None:
    match os.environ.get("START"):
        case "fails":
            call("POST", "init/error", b'{"errorMessage":"no","errorType":"Wanted"}')
            sys.exit(1)
        case "exits":
            sys.exit(3)
        case "slow once":
            marker = Path(os.environ["OWN"])
            if not marker.exists():
                marker.write_text("seen")
                time.sleep(30)
        case "slow":
            time.sleep(30)


if __name__ == "__main__":
    start()
    while True:
        status, request_id, body = call("GET", "invocation/next")
        if status != 200:
            sys.exit(1)
        event = json.loads(body)
        name = event.get("do") or (event.get("rawPath") or event["path"]).strip("/")
        ACTS[name](request_id, event)
