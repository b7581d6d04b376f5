"""How many connections a process takes, and that probes are answered whatever others hold open."""

from __future__ import annotations

import asyncio
import errno
import random
import resource
import select
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest

from service.server import descriptors
from service.server.acceptor import Acceptor, Listener
from service.settings import Settings
from tests.support.event_loop import run_async
from tests.support.processes import server
from tests.support.raw_http import BODY, Connection, connected
from tests.support.server import running

_HEAD = f"POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: {len(BODY)}"


def _live(url: str) -> int:
    return httpx.get(f"{url}/livez", timeout=30).status_code


@contextmanager
def _open(url: str, count: int) -> Iterator[list[socket.socket]]:
    """Connections on which nothing is sent."""
    address = urlsplit(url)
    with ExitStack() as stack:
        pairs = [socket.create_connection((address.hostname, address.port), timeout=30) for _ in range(count)]
        yield [stack.enter_context(each) for each in pairs]


@contextmanager
def _begun(url: str, count: int) -> Iterator[list[Connection]]:
    """Connections with a request whose body is not complete."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connections.append(stack.enter_context(connected(url)))
            connections[-1].send(f"{_HEAD}\nexpect: 100-continue")
            connections[-1].answer()  # The server waits for the body.
            connections[-1].send_bytes(BODY[:-1])
        yield connections


def test_the_connection_that_waits_longest_makes_room(settings: Settings) -> None:
    with running(settings.model_copy(update={"max_connections": 5})) as url, _open(url, 8) as idle:
        assert _live(url) == 200
        assert idle[0].recv(1) == b""
        with connected(url) as connection:
            connection.classify()
            assert connection.answer()[0] == 200


def test_a_connection_with_a_request_is_never_closed_for_another(settings: Settings) -> None:
    with running(settings.model_copy(update={"max_connections": 4})) as url, _begun(url, 3) as begun:
        with _open(url, 10):
            assert _live(url) == 200
        for connection in begun:
            connection.send_bytes(BODY[-1:])
            assert connection.answer()[0] == 200


def test_probes_are_answered_when_every_connection_is_busy(settings: Settings) -> None:
    with running(settings.model_copy(update={"max_connections": 4})) as url, _begun(url, 4) as begun:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/v2/health/live", 200)):
            with connected(url) as connection:
                connection.send(f"GET {path} HTTP/1.1\nhost: x")
                assert connection.answer()[0] == status
        for path in ("/v1/classify", "/v2/models/digits/infer"):
            with connected(url) as connection:
                connection.send(f"POST {path} HTTP/1.1\nhost: x\ncontent-length: 1000000", b"x" * 5000)
                status, headers, body = connection.full_answer()
                assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "1")
                assert b"LECTERN_MAX_CONNECTIONS" in body
                assert connection.at_end()
        begun[0].send_bytes(BODY[-1:])
        assert begun[0].answer()[0] == 200


def test_connections_beyond_all_limits_are_refused_at_once(settings: Settings) -> None:
    with running(settings.model_copy(update={"max_connections": 4})) as url, ExitStack() as stack:
        stack.enter_context(_begun(url, 4))
        # Each of these asks for a probe with a body that does not come: they stay busy above the limit.
        head = "GET /livez HTTP/1.1\nhost: x\nconnection: keep-alive"
        answers = []
        for _ in range(40):
            connection = stack.enter_context(connected(url))
            connection.send(head)
            answers.append(connection.full_answer()[0])
        assert set(answers) <= {200, 503}
        assert answers[0] == 200


def test_connections_beyond_the_descriptors_do_not_silence_probes_and_are_logged(models_dir: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    patient = {"KEEP_ALIVE_SECONDS": "600", "HEADER_SECONDS": "600", "DEADLINE_SECONDS": "600"}
    with server(models_dir, preexec=limit, **patient) as running:
        with ExitStack() as stack:
            while not any(line["level"] == "warning" for line in running.lines):
                connection = stack.enter_context(connected(running.url))
                connection.send(f"{_HEAD}\nexpect: 100-continue")
                connection.answer()
            warning = running.wait_for("too many connections: all are busy")
            assert warning["connections"] > 32
            assert _live(running.url) == 200
        with _open(running.url, 300):
            assert _live(running.url) == 200
            assert httpx.get(f"{running.url}/readyz", timeout=30).status_code == 200
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit to take descriptors away")
def test_without_descriptors_idle_connections_make_room(models_dir: Path) -> None:
    with server(models_dir) as running:
        assert _live(running.url) == 200
        process = running.process.pid
        with _open(running.url, 20):
            assert _live(running.url) == 200
            few = len(list(Path(f"/proc/{process}/fd").iterdir())) + 3
            resource.prlimit(process, resource.RLIMIT_NOFILE, (few, few))
            with _open(running.url, 20):
                warning = running.wait_for("out of file descriptors: raise the limit (ulimit -n)")
                assert (warning["level"], warning["descriptors"]) == ("warning", few)
                assert _live(running.url) == 200


def test_clients_that_left_before_they_were_accepted_take_no_connection() -> None:
    made: list[asyncio.Protocol] = []

    def connect(app: Any) -> Any:
        made.append(asyncio.Protocol())
        return made[-1]

    async def main() -> None:
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        address = listening.getsockname()
        clients = [socket.create_connection(address) for _ in range(30)]
        for number, client in enumerate(clients):
            if number % 10 == 0:
                client.sendall(b"GET")  # A client may close its side after its request.
                client.shutdown(socket.SHUT_WR)
            elif number % 10 == 1:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # A reset.
                client.close()
            elif number % 10 != 2:
                client.close()
        acceptor = Acceptor(connect, [], limit=64, handshake_seconds=1, on_refusal=lambda refusal: None)
        acceptor.listen(Listener(listening, cast(Any, None), cast(Any, None)))
        while len(made) < 6:
            await asyncio.sleep(0.01)
        await acceptor.close(by_all=False)
        while acceptor.pending:
            await asyncio.sleep(0.01)
        for client in clients:
            client.close()

    run_async(main())
    assert len(made) == 6, "three with a request, three without one yet"


class _LateClient(socket.socket):
    """A listening socket to which a client connects after the last accept, when it is about to be closed."""

    client: socket.socket

    def close(self) -> None:
        if self.fileno() >= 0:
            self.client = socket.socket(self.family)
            self.client.setblocking(False)
            try:
                self.client.connect(self.getsockname())
            except BlockingIOError:
                pass  # Not refused yet.
            except ConnectionRefusedError:
                self.client.close()
        super().close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can drop new connections before the socket is closed")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_no_connection_is_made_between_the_last_accept_and_the_close(
    family: socket.AddressFamily, tmp_path: Path
) -> None:
    made: list[asyncio.Protocol] = []

    def connect(app: Any) -> Any:
        made.append(asyncio.Protocol())
        return made[-1]

    async def main() -> None:
        listening = _LateClient(family, socket.SOCK_STREAM)
        hosts = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}
        listening.bind(hosts.get(family, str(tmp_path / "socket")))
        listening.listen()
        acceptor = Acceptor(connect, [], limit=64, handshake_seconds=1, on_refusal=lambda refusal: None)
        acceptor.listen(Listener(listening, cast(Any, None), cast(Any, None)))
        with socket.socket(family) as early:
            early.connect(listening.getsockname())
            await acceptor.close(by_all=True)
            while acceptor.pending:
                await asyncio.sleep(0.01)
        assert len(made) == 1
        with listening.client as late:
            if late.fileno() >= 0:
                # A second later the client repeats what was dropped, and only then it is refused.
                await asyncio.to_thread(select.select, [], [late], [], 30)
                assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED

    run_async(main())


def test_a_worker_that_ends_alone_leaves_the_socket_to_the_others() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            acceptor = Acceptor(lambda app: cast(Any, None), [], limit=64, handshake_seconds=1, on_refusal=print)
            acceptor.listen(Listener(listening.dup(), cast(Any, None), cast(Any, None)))
            await acceptor.close(by_all=False)
            with socket.create_connection(listening.getsockname(), timeout=30), listening.accept()[0]:
                pass

    run_async(main())


def test_the_default_follows_the_descriptors(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(descriptors, "_open_descriptors", lambda: 40)
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: 128)
    assert descriptors.max_connections(0) == 128 - 40 - 32
    assert descriptors.max_connections(10) == 10
    assert not caplog.records
    assert descriptors.max_connections(1000) == 56
    assert "raise the limit of open files" in caplog.text
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: 65_536)
    assert descriptors.max_connections(0) == 4096
    assert descriptors.max_connections(20_000) == 20_000


class _Waiting:
    """A connection that waits for a request."""

    def __init__(self, since: float) -> None:
        self.waiting_since: float | None = since

    def abort(self) -> None:
        self.waiting_since = None


def test_connections_are_closed_in_the_order_of_their_waiting() -> None:
    async def main() -> None:
        connections: Any = [_Waiting(since) for since in range(300)]
        random.Random(0).shuffle(connections)
        acceptor = Acceptor(
            lambda app: connections[0], connections, limit=1, handshake_seconds=1, on_refusal=lambda refusal: None
        )
        closed: list[float] = []
        for number in range(120):
            waiting = sorted(each.waiting_since for each in connections if each.waiting_since is not None)
            if number == 3:  # One gets a request, another waits anew.
                connections_by_age = {each.waiting_since: each for each in connections}
                connections_by_age[waiting[0]].waiting_since = None
                connections_by_age[waiting[1]].waiting_since = 1000.0
                waiting = waiting[2:]
            count = 1 + number % 3
            assert acceptor.close_waiting(count) == min(count, len(waiting))
            left = {each.waiting_since for each in connections}
            assert left.isdisjoint(waiting[:count]) or not waiting
            closed += waiting[:count]
        assert closed == sorted(closed)
        assert len(closed) == 120 * 2
        assert acceptor.close_waiting(100) == 300 - 240 - 1

    run_async(main())
