"""`lectern serve` as a process: signals, worker processes, log lines."""

from __future__ import annotations

import signal
import socket
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from tests.support.classify_requests import labels, pixels
from tests.support.metrics import metric_value
from tests.support.processes import accepts, lectern, server

# Each on a connection of its own, whichever process answers; patient with a busy machine.
get, post = partial(httpx.get, timeout=60), partial(httpx.post, timeout=60)


def _metric(url: str, name: str) -> float:
    """The sum of a metric of all processes."""
    return metric_value(get(f"{url}/metrics").text, name)


def test_it_serves_drains_and_exits(models_dir: Path) -> None:
    settings = {"DRAIN_SECONDS": "3", "PORTT": "1", "MODEL__DIGITS__PROVIDERS": "cpu", "ACCESS_LOG": "1"}
    with server(models_dir, **settings) as running:
        url = running.url
        assert labels(post(f"{url}/v1/classify", json=pixels(7), headers={"x-request-id": "first"})) == ["7"]
        assert get(f"{url}/readyz").status_code == 200
        providers = get(f"{url}/v1/models/digits").json()["providers"]["model"]
        assert providers["requested"] == ["CPUExecutionProvider"]
        health = lectern("health", "--url", url)
        assert (health.returncode, health.stdout) == (0, "ready\n")

        running.signal(signal.SIGTERM)
        running.wait_for("draining")
        ready = get(f"{url}/readyz")
        assert ready.status_code == 503
        assert ready.json()["detail"] == "the server is shutting down"
        assert get(f"{url}/livez").status_code == 200
        assert labels(post(f"{url}/v1/classify", json=pixels(3))) == ["3"]
        assert running.wait() == 0
        warning = running.wait_for("unknown setting")
        assert (warning["level"], warning["variable"]) == ("warning", "LECTERN_PORTT")
        assert running.wait_for("model ready")["model"] == "digits"
        request = running.wait_for("request")
        assert (request["request_id"], request["status"], request["path"]) == ("first", 200, "/v1/classify")
        assert running.lines[-1]["message"] == "stopped"
        assert "Traceback" not in running.text


def _begin_upload(url: str, body: bytes) -> socket.socket:
    """Send a request except its last byte."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    head = f"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    connection.sendall(head.encode() + b"\r\n\r\n" + body[:-1])
    return connection


def test_a_request_in_flight_is_answered_before_the_exit(models_dir: Path) -> None:
    with server(models_dir, DRAIN_SECONDS="0") as running:
        body = orjson.dumps(pixels(5))
        with _begin_upload(running.url, body) as connection:
            while _metric(running.url, "lectern_in_flight") < 2:
                time.sleep(0.01)
            running.signal(signal.SIGTERM)
            running.wait_for("draining")
            while accepts(running.url):  # The socket closes a moment later.
                time.sleep(0.01)
            connection.sendall(body[-1:])
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"label":"5"' in answer
        assert running.wait() == 0


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_it_exits_at_once_on_ctrl_c_and_on_a_second_sigterm(models_dir: Path, signals: list[signal.Signals]) -> None:
    with server(models_dir, DRAIN_SECONDS="600") as running:
        assert get(f"{running.url}/readyz").status_code == 200
        for number in signals:
            running.signal(number)
            if number is signal.SIGTERM:
                running.wait_for("draining")
        assert running.wait() == 0
        assert "Traceback" not in running.text
