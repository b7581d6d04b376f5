"""`lectern serve` as a process: signals, worker processes, log lines."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.classify_requests import labels, pixels
from tests.support.processes import ROOT, environment, lectern, server

# Each on a connection of its own, whichever process answers; patient with a busy machine.
get, post = partial(httpx.get, timeout=60), partial(httpx.post, timeout=60)


def test_it_serves_drains_and_exits(models_dir: Path) -> None:
    settings = {"DRAIN_SECONDS": "600", "PORTT": "1", "MODEL__DIGITS__PROVIDERS": "cpu", "ACCESS_LOG": "1"}
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
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        warning = running.wait_for("unknown setting")
        assert (warning["level"], warning["variable"]) == ("warning", "LECTERN_PORTT")
        assert running.wait_for("model ready")["model"] == "digits"
        request = running.wait_for("request")
        assert (request["request_id"], request["status"], request["path"]) == ("first", 200, "/v1/classify")
        assert running.lines[-1]["message"] == "stopped"
        assert "Traceback" not in running.text


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_without_standard_streams_serves_and_ends(models_dir: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$0" -m service serve <&- >&- 2>&-', sys.executable],
        env=environment(MODELS=str(models_dir), PORT=str(port), WORKERS=workers, DRAIN_SECONDS="0"),
        cwd=ROOT,
    )
    try:
        deadline = time.monotonic() + 60
        while not _is_ready(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False
