"""How the server ends: no accepted request fails, nothing delays it, and its process ends with it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import orjson
import pytest

from tests.support.classify_requests import labels, pixels
from tests.support.processes import ROOT, Server, environment, server
from tests.support.raw_http import BODY, Connection, connected

_PAGE = "https://app.example.com"
_HEAD = (
    f"POST /v1/classify HTTP/1.1\nhost: x\norigin: {_PAGE}\ncontent-type: application/json\ncontent-length: {len(BODY)}"
)


def _begin(connection: Connection, body: bytes) -> None:
    """Send a request, and then another one but for a part of its body."""
    connection.classify()
    assert connection.answer()[0] == 200
    connection.send(_HEAD, body)
    time.sleep(0.2)


def test_every_answer_closes_its_connection_while_it_drains(models_dir: Path) -> None:
    with server(models_dir, DRAIN_SECONDS="600") as running, connected(running.url) as kept:
        kept.classify()
        assert "connection" not in kept.full_answer()[1]
        running.signal(signal.SIGTERM)
        running.wait_for("draining")
        kept.classify()
        status, headers, _ = kept.full_answer()
        assert (status, headers["connection"]) == (200, "close")
        assert kept.at_end()
        with connected(running.url) as new:
            new.classify()
            status, headers, _ = new.full_answer()
            assert (status, headers["connection"]) == (200, "close")
            assert new.at_end()
        running.signal(signal.SIGTERM)
        assert running.wait() == 0


def test_no_request_of_kept_connections_fails(models_dir: Path) -> None:
    failures: list[Exception] = []
    answered = [0] * 12
    with server(models_dir, DRAIN_SECONDS="0.5") as running:
        url = running.url

        def ask(number: int) -> None:
            with httpx.Client(timeout=30) as client:
                while True:
                    try:
                        answer = client.post(f"{url}/v1/classify", json=pixels(number % 10))
                    except httpx.ConnectError:
                        return  # Not accepted.
                    except httpx.HTTPError as error:
                        failures.append(error)
                        return
                    assert labels(answer) == [str(number % 10)]
                    answered[number] += 1

        clients = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for client in clients:
            client.start()
        while min(answered) < 5:
            time.sleep(0.01)
        running.signal(signal.SIGTERM)
        for client in clients:
            client.join(60)
        assert not failures
        assert running.wait() == 0


def test_a_connection_that_waits_to_be_accepted_is_served(models_dir: Path) -> None:
    with server(models_dir, DRAIN_SECONDS="0") as running:
        url = running.url
        failures = []
        for _ in range(3):
            assert httpx.get(f"{url}/livez", timeout=60).status_code == 200
        running.signal(signal.SIGTERM)
        while True:  # Until connecting is refused, every connection gets its answer.
            try:
                with connected(url) as connection:
                    connection.classify()
                    try:
                        assert connection.answer()[0] == 200
                    except (ConnectionError, IndexError) as error:
                        failures.append(error)
            except ConnectionRefusedError:
                break
        assert not failures
        assert running.wait() == 0


def test_half_a_body_does_not_delay_the_end(models_dir: Path) -> None:
    with server(models_dir, DRAIN_SECONDS="0", SHUTDOWN_SECONDS="1", CORS_ORIGINS=_PAGE) as running:
        with connected(running.url) as begun, connected(running.url) as half_head, connected(running.url) as silent:
            _begin(begun, BODY[:100])
            half_head.send_bytes(b"GET /livez HTTP/1.1\r\nho")
            time.sleep(0.2)
            running.signal(signal.SIGTERM)
            assert running.wait(15) == 0
            status, headers, body = begun.full_answer()
            assert (status, headers["connection"]) == (503, "close")
            assert headers["access-control-allow-origin"] == _PAGE
            assert orjson.loads(body)["detail"] == "the server is shutting down"
            assert begun.at_end()
            assert half_head.at_end()
            assert silent.at_end()
        assert running.lines[-1]["message"] == "stopped"
        assert "Traceback" not in running.text


def test_a_second_sigterm_ends_it_at_once(models_dir: Path) -> None:
    with server(models_dir, DRAIN_SECONDS="600", SHUTDOWN_SECONDS="600") as running:
        with connected(running.url) as begun:
            _begin(begun, BODY[:100])
            running.signal(signal.SIGTERM)
            running.wait_for("draining")
            running.signal(signal.SIGTERM)
            assert running.wait(15) == 0
        assert "Traceback" not in running.text


@pytest.mark.parametrize(("number", "drain"), [(signal.SIGTERM, "0"), (signal.SIGINT, "600")])
def test_an_idle_connection_ends_without_a_reset(models_dir: Path, number: signal.Signals, drain: str) -> None:
    with server(models_dir, DRAIN_SECONDS=drain) as running, connected(running.url) as connection:
        connection.classify()
        assert connection.answer()[0] == 200
        running.signal(number)
        assert connection.at_end()
        connection.classify()  # Sent while the end was on its way: no error, no answer.
        with pytest.raises((IndexError, ConnectionError)):
            connection.answer()
        assert running.wait() == 0
        assert "Traceback" not in running.text


_WITH_A_THREAD_THAT_HANGS = """
import sys, threading, time
from service.cli import main

if __name__ == "__main__":
    threading.Thread(target=time.sleep, args=(600,)).start()
    sys.exit(main(["serve"]))
"""


def test_a_thread_that_hangs_does_not_keep_the_process(models_dir: Path, tmp_path: Path) -> None:
    program = tmp_path / "hangs.py"
    program.write_text(_WITH_A_THREAD_THAT_HANGS)
    settings = environment(MODELS=str(models_dir), PORT="0", DRAIN_SECONDS="0", SHUTDOWN_SECONDS="1")
    settings["PYTHONPATH"] = str(ROOT)
    process = subprocess.Popen([sys.executable, program], env=settings, stderr=subprocess.PIPE, text=True)
    running = Server(process)
    try:
        assert httpx.get(f"{running.url}/livez", timeout=60).status_code == 200
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert running.lines[-1]["message"] == "stopped"
    finally:
        process.kill()
        process.wait(10)
        running.close()


def test_the_socket_refuses_while_a_request_that_was_begun_is_answered(models_dir: Path) -> None:
    with server(models_dir, DRAIN_SECONDS="0", SHUTDOWN_SECONDS="30") as running:
        url = httpx.URL(running.url)
        with connected(running.url) as connection:
            _begin(connection, BODY[:-1])
            running.signal(signal.SIGTERM)
            running.wait_for("draining")
            end = time.monotonic() + 20
            while time.monotonic() < end:
                try:
                    socket.create_connection((url.host, url.port or 80), timeout=5).close()
                except ConnectionError:
                    break
            else:
                pytest.fail("the socket still accepts connections")
            connection.send_bytes(BODY[-1:])
            status, headers, body = connection.full_answer()
            assert (status, headers["connection"]) == (200, "close")
            assert b'"label":"7"' in body
        assert running.wait() == 0
