"""Connections that are opened and not used, or not read, on a real server without Gradio."""

import asyncio
import resource
import select
import socket
import threading
import time
from contextlib import suppress

import pytest
import uvicorn

from webapp.guard import wire

SOON = 0.4  # s
LARGE = 20_000_000  # bytes: more than the system's buffers take


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if scope["path"] == "/late":
        await asyncio.sleep(3 * SOON)
    await send(start)
    said = bytes(LARGE) if scope["path"] == "/large" else b"done"
    await send({"type": "http.response.body", "body": said})


@pytest.fixture(scope="module")
def port():
    http = wire.patient(header_seconds=SOON, stalled_seconds=SOON)
    config = uvicorn.Config(app, port=0, http=http, log_level="critical", timeout_keep_alive=30)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def opened(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(sent)
    return connection


def is_closed(connection: socket.socket, *, within: float) -> bool:
    """Wait until the other side closes; what it says before is thrown away."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        if select.select([connection], [], [], left)[0]:
            try:
                if not connection.recv(1_000_000):
                    return True
            except ConnectionError:
                return True
    return False


def answer(connection: socket.socket) -> bytes:
    said = b""
    while piece := connection.recv(1_000):
        said += piece
        if said.endswith(b"done\r\n0\r\n\r\n"):
            return said
    raise ConnectionError(f"it ended after {said!r}")


ASKED = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "sent", [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n"]
)
def test_half_a_request_is_ended(port, sent):
    assert is_closed(opened(port, sent), within=20)


def test_a_request_that_trickles_is_ended(port):
    connection = opened(port)
    with suppress(ConnectionError):
        for _ in range(100):
            connection.sendall(b"X")
            time.sleep(0.05)
        pytest.fail("it was not ended")


@pytest.mark.parametrize("more", [b"G", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"])
def test_half_of_a_second_request_is_ended(port, more):
    connection = opened(port, ASKED % b"/")
    answer(connection)
    connection.sendall(more)
    assert is_closed(connection, within=20)


def test_an_answer_may_take_longer(port):
    connection = opened(port, ASKED % b"/late")
    answer(connection)
    connection.sendall(ASKED % b"/")  # and the connection is kept for the next request
    answer(connection)


def test_an_answer_that_nobody_reads_is_ended(port):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(ASKED % b"/large")
    time.sleep(3 * SOON)
    count = 0
    with suppress(ConnectionError):
        while piece := connection.recv(1_000_000):
            count += len(piece)
    assert count < LARGE


def test_an_answer_that_is_read_slowly_comes(port):
    connection = opened(port, ASKED % b"/large")
    count = 0
    while count < LARGE:
        count += len(connection.recv(1_000_000))
        time.sleep(SOON / 20)
    assert count >= LARGE


def test_the_oldest_have_to_hurry(port, monkeypatch):
    monkeypatch.setattr(wire, "MAX_WAITING", 5)
    monkeypatch.setattr(wire, "HURRY_SECONDS", SOON / 10)
    old = [opened(port, b"G") for _ in range(20)]
    answer(opened(port, ASKED % b"/"))
    start = time.monotonic()
    assert all(is_closed(connection, within=20) for connection in old[:15])
    assert time.monotonic() - start < SOON or is_closed(old[-1], within=20)


def test_many_at_once_are_all_answered(port, monkeypatch):
    monkeypatch.setattr(wire, "MAX_WAITING", 5)
    for connection in [opened(port, ASKED % b"/") for _ in range(50)]:
        answer(connection)


def test_a_running_server_is_limited():
    config = uvicorn.Config(app)
    config.load()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1_024, before[1]), before[1]))
        wire.harden(config)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert issubclass(config.http_protocol_class, wire.H11Protocol)
    assert config.ws_protocol_class is None
    assert files >= min(3_500, before[1]) and 100 <= config.limit_concurrency < files
