"""LibreTranslate's routes for files against real servers: several processes, hostile paths, and the end of a server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from service.settings import Settings
from tests.support.processes import server
from tests.support.server import running
from tests.support.translator_bundles import write_translator

FORM = {"source": "en", "target": "de"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_translator(folder)
    return folder


@pytest.fixture(scope="module")
def url(models: Path) -> Iterator[str]:
    """The address of one server for all tests that leave it as it was."""
    with running(Settings(models=models)) as url:
        yield url


@pytest.fixture
def temporary_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for the server's temporary files, with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def translate(url: str, text: str) -> str:
    """The URL of a translated text file. A connection of its own, whichever process answers."""
    answer = httpx.post(f"{url}/translate_file", files={"file": ("a.txt", text)}, data=FORM, timeout=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["translatedFileUrl"])


def test_a_file_of_one_worker_is_downloaded_from_another(models: Path, temporary_files: Path) -> None:
    with server(models, WORKERS="2", DRAIN_SECONDS="0") as started:
        url = translate(started.url, "The dog sleeps.")
        started.wait_for("worker ready", 2)
        first_two = [line["pid"] for line in started.lines if line["message"] == "worker ready"]
        for count, pid in enumerate(first_two, 3):  # The one that wrote the file is among them.
            os.kill(pid, signal.SIGKILL)
            started.wait_for("worker ready", count)
            assert httpx.get(url, timeout=60).text == "Der Hund schläft."
        started.signal(signal.SIGTERM)
        assert started.wait() == 0
    assert list(temporary_files.glob("lectern*")) == []


def test_all_workers_write_files_and_suggestions(models: Path, temporary_files: Path) -> None:
    suggestions = temporary_files / "suggestions.jsonl"

    def ask(number: int) -> str:
        suggestion = FORM | {"q": "dog", "s": str(number)}
        answer = httpx.post(f"{started.url}/suggest", data=suggestion, timeout=60)
        assert answer.json() == {"success": True}
        return httpx.get(translate(started.url, f"dog {number}"), timeout=60).text

    with server(models, WORKERS="2", DRAIN_SECONDS="0", SUGGESTIONS=str(suggestions)) as started:
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(ask, range(24))) == [f"Hund {number}" for number in range(24)]
        kept = [json.loads(line)["s"] for line in suggestions.read_text().splitlines()]
        assert sorted(map(int, kept)) == list(range(24))


def test_any_worker_removes_what_is_old(models: Path, temporary_files: Path) -> None:
    with server(models, WORKERS="2", DRAIN_SECONDS="0", FILE_SECONDS="1") as started:
        url = translate(started.url, "dog")
        (folder,) = temporary_files.glob("lectern-metrics-*/files")
        deadline = time.monotonic() + 60
        while list(folder.glob("*.txt")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        answer = httpx.get(url, timeout=60)
        assert answer.status_code == 404
        assert answer.json().keys() == {"error"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_of_one_process_leaves_no_file(models: Path, temporary_files: Path, number: signal.Signals) -> None:
    with server(models, DRAIN_SECONDS="0") as started:
        assert httpx.get(translate(started.url, "dog"), timeout=60).text == "Hund"
        assert len(list(temporary_files.glob("lectern-files-*/*.txt"))) == 1
        started.signal(number)
        assert started.wait() == 0
    assert list(temporary_files.glob("lectern*")) == []


@pytest.mark.parametrize(
    "path",
    ["/download_file/..", "/download_file/../../etc/passwd", "/download_file/%2e%2e/%2e%2e/etc/passwd",
     "/download_file/..%2f..%2fetc%2fpasswd", "/download_file/%00", "/download_file//etc/passwd", "/download_file/"],
)  # fmt: skip
def test_paths_that_clients_would_rewrite(url: str, path: str) -> None:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), 60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.rpartition(b"\r\n\r\n")[2].startswith(b'{"error":')


def test_behind_a_proxy(models: Path) -> None:
    settings = Settings(models=models, root_path="/lectern", trusted_proxies=("127.0.0.1",))
    with running(settings) as url:
        answer = httpx.post(
            f"{url}/lectern/translate_file",
            files={"file": ("a.txt", "dog")},
            data=FORM,
            headers={"x-forwarded-proto": "https", "x-forwarded-host": "api.example.com"},
            timeout=60,
        )
        download = urlsplit(answer.json()["translatedFileUrl"])
        assert (download.scheme, download.netloc) == ("https", "api.example.com")
        assert download.path.startswith("/lectern/download_file/")
        assert httpx.get(url + download.path, timeout=60).text == "Hund"
        assert httpx.get(url + download.path.removeprefix("/lectern"), timeout=60).text == "Hund"
