"""HTTPS by the server itself."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from service.errors import ConfigurationError
from service.server.tls import Certificate, certificate_of
from service.settings import Settings
from tests.support.certificates import write_certificate
from tests.support.classify_requests import labels, pixels
from tests.support.processes import lectern, server
from tests.support.server import running


def _encrypted(settings: Settings, folder: Path) -> tuple[Settings, ssl.SSLContext]:
    certificate, key = write_certificate(folder)
    return settings.model_copy(update={"tls_cert": certificate, "tls_key": key}), ssl.create_default_context(
        cafile=str(certificate)
    )


def _https(url: str) -> str:
    return url.replace("http:", "https:")


def test_requests_are_answered_over_tls(settings: Settings, tmp_path: Path) -> None:
    settings, context = _encrypted(settings, tmp_path)
    with running(settings) as url, httpx.Client(verify=context, timeout=60) as client:
        for digit in (1, 2, 3):
            assert labels(client.post(f"{_https(url)}/v1/classify", json=pixels(digit))) == [str(digit)]
        refused = client.post(
            f"{_https(url)}/v1/classify", content=bytes(30_000_000), headers={"content-type": "image/png"}
        )
        assert refused.status_code == 413


def test_plain_http_on_the_encrypted_port_is_closed_and_others_are_served(settings: Settings, tmp_path: Path) -> None:
    settings, context = _encrypted(settings, tmp_path)
    with running(settings) as url:
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/livez", timeout=60)
        assert httpx.get(f"{_https(url)}/livez", verify=context, timeout=60).status_code == 200


def test_a_handshake_has_a_time_limit(settings: Settings, tmp_path: Path) -> None:
    settings, _ = _encrypted(settings.model_copy(update={"header_seconds": 0.5}), tmp_path)
    with running(settings) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as silent:
            assert silent.recv(1) == b""


def test_handshakes_that_never_begin_make_room_for_others(models_dir: Path, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))
    variables = {"TLS_CERT": str(certificate), "TLS_KEY": str(key), "MAX_CONNECTIONS": "4", "HEADER_SECONDS": "600"}
    with server(models_dir, **variables) as running, ExitStack() as stack:
        address = urlsplit(running.url)
        silent = [
            stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=30))
            for _ in range(40)
        ]
        for _ in range(3):
            assert httpx.get(f"{running.url}/livez", verify=context, timeout=60).status_code == 200
        assert silent[0].recv(1) == b"", "the oldest is closed"


def test_a_renewed_certificate_is_used_for_new_connections(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    read = Certificate(certificate, key)
    before, pair = read.context(), (key.read_bytes(), certificate.read_bytes())
    assert read.key_pair() == pair
    read.refresh()
    assert read.context() is before
    certificate.write_text("nonsense")
    read.refresh()
    assert read.context() is before
    assert read.key_pair() == pair
    other_certificate, other_key = write_certificate(tmp_path, "renewed")
    os.replace(other_certificate, certificate)
    os.replace(other_key, key)
    read.refresh()
    assert read.context() is not before
    assert read.key_pair() == (key.read_bytes(), certificate.read_bytes()) != pair


def test_a_certificate_is_read_once_its_rights_are_mended(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    read = Certificate(certificate, key)
    before, state = read.context(), certificate.stat()
    key.chmod(0o640)
    read.refresh()
    assert read.context() is not before
    assert certificate.stat().st_mtime_ns == state.st_mtime_ns


@pytest.mark.parametrize(
    ("cert", "key", "message"),
    [
        ("server.crt", None, "set both or none"),
        (None, "server.key", "set both or none"),
        ("missing.crt", "server.key", "LECTERN_TLS_CERT: .*missing.crt cannot be read .No such file"),
        ("server.crt", "missing.key", "LECTERN_TLS_KEY: .*missing.key cannot be read"),
        ("server.crt", ".", "LECTERN_TLS_KEY=.*: is no plain file"),
        ("pipe", "server.key", "LECTERN_TLS_CERT=.*pipe: is no plain file"),
        ("server.crt", "other.key", "are not a PEM certificate and its key"),
        ("server.key", "server.key", "are not a PEM certificate and its key"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path: Path, cert: str | None, key: str | None, message: str) -> None:
    write_certificate(tmp_path)
    write_certificate(tmp_path, "other")
    os.mkfifo(tmp_path / "pipe")
    settings = Settings(tls_cert=tmp_path / cert if cert else None, tls_key=tmp_path / key if key else None)
    with pytest.raises(ConfigurationError, match=message):
        certificate_of(settings)


def test_the_process_speaks_https_and_health_understands_it(models_dir: Path, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    with server(models_dir, TLS_CERT=str(certificate), TLS_KEY=str(key), DRAIN_SECONDS="0") as running:
        assert running.url.startswith("https://")
        port = str(urlsplit(running.url).port)
        health = lectern("health", PORT=port, TLS_CERT=str(certificate), TLS_KEY=str(key))
        assert (health.returncode, health.stdout) == (0, "ready\n")
        context = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(verify=context, timeout=60) as client:
            assert client.get(f"{running.url}/livez").status_code == 200
            running.signal(signal.SIGTERM)
            begun = time.monotonic()
            assert running.wait() == 0
            assert time.monotonic() - begun < 20


def test_the_process_names_a_certificate_that_it_cannot_use(models_dir: Path, tmp_path: Path) -> None:
    result = lectern(
        "serve", MODELS=str(models_dir), PORT="0", TLS_CERT=str(tmp_path / "a"), TLS_KEY=str(tmp_path / "b")
    )
    assert result.returncode == 2
    assert "LECTERN_TLS_CERT" in result.stderr
    assert "Traceback" not in result.stderr
