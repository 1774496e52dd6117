import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from bench.client import Address, Broken, Connection, load, unchunked
from bench.paced import writes
from bench.traffic import LAST_CHUNK, RESPONSE_HEAD, stream

REQUEST = b"POST / HTTP/1.1\r\n\r\n"
Serve = Callable[[list[bytes]], Address]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer the first request with some pieces, then hang up."""
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def answer(pieces: list[bytes]) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1 << 16)
            for piece in pieces:
                connection.sendall(piece)

    def start(pieces: list[bytes]) -> Address:
        threads.append(threading.Thread(target=answer, args=(pieces,)))
        threads[-1].start()
        host, port = listening.getsockname()
        return str(host), int(port)

    yield start
    for thread in threads:
        thread.join()
    listening.close()


def test_an_answer_is_read_to_its_end_and_unchunked(serve: Serve) -> None:
    connection = Connection(serve(list(writes(stream(30)))))
    answer = connection.exchange(REQUEST)
    connection.close()

    assert answer.body == b"".join(stream(30))
    assert 0 < answer.first <= answer.event <= answer.end


@pytest.mark.parametrize("pieces", [[RESPONSE_HEAD, b"3\r\nabc\r\n"], []])
def test_an_answer_that_breaks_off_is_broken(serve: Serve, pieces: list[bytes]) -> None:
    connection = Connection(serve(pieces))
    with pytest.raises(Broken, match="broke off"):
        connection.exchange(REQUEST)
    connection.close()


def test_another_status_than_200_is_broken(serve: Serve) -> None:
    refused = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
    connection = Connection(serve([refused]))
    with pytest.raises(Broken, match="503"):
        connection.exchange(REQUEST)
    connection.close()


def test_load_refuses_another_status_too(serve: Serve) -> None:
    address = serve([b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"])
    with pytest.raises(Broken, match="401"):
        load(address, REQUEST, concurrency=1, total=1)


def test_a_broken_chunk_size_is_broken() -> None:
    assert unchunked(b"3\r\nabc\r\n" + LAST_CHUNK) == b"abc"
    with pytest.raises(Broken):
        unchunked(b"xyz\r\nabc\r\n" + LAST_CHUNK)
