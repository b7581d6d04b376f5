"""The port of gRPC before anything is loaded: held for all processes, or why there is none."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import ConfigurationError
from service.server import grpc_port as module
from service.server.grpc_port import grpc_port
from service.server.listener import listen
from service.settings import Settings
from tests.support.processes import ROOT, environment, server


def test_without_the_setting_nothing_happens() -> None:
    settings = Settings()
    with grpc_port(settings) as same:
        assert same is settings


def test_a_free_port_is_held_for_sockets_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    with grpc_port(Settings(grpc_port=0)) as settings:
        assert settings.grpc_port
        with pytest.raises(ConfigurationError, match="cannot listen"):
            listen("127.0.0.1", settings.grpc_port)
        for _ in range(2):
            with socket.socket() as shared:
                shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                shared.bind(("127.0.0.1", settings.grpc_port))
                shared.listen()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "grpc_health" else object())
    remedy = r"needs grpcio-health-checking: pip install 'lectern\[grpc\]'"
    with pytest.raises(ConfigurationError, match=remedy), grpc_port(Settings(grpc_port=0)):
        pass


def test_the_process_names_the_missing_extra(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('grpc', 'grpc_health', 'grpc_reflection'):\n"
        "    sys.modules[name] = None\n"
        "from service.cli import main\n"
        "sys.exit(main(['serve']))"
    )
    settings = {"MODELS": str(tmp_path), "PORT": "0", "GRPC_PORT": "0"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(**settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 2
    assert "needs grpcio, grpcio-health-checking, grpcio-reflection: pip install 'lectern[grpc]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    with pytest.raises(ConfigurationError, match="gRPC needs a port of its own"), grpc_port(Settings(grpc_port=8080)):
        pass
    with (
        listen("127.0.0.1", 0) as other,
        pytest.raises(ConfigurationError, match="set LECTERN_GRPC_PORT"),
        grpc_port(Settings(grpc_port=other.getsockname()[1])),
    ):
        pass


def test_grpc_accepts_connections_once_the_log_says_that_the_service_does(models_dir: Path) -> None:
    pytest.importorskip("grpc", reason="needs the extra grpc")
    pytest.importorskip("grpc_reflection", reason="needs the extra grpc")
    with server(models_dir, GRPC_PORT="0") as process:
        host, _, port = process.wait_for("serving")["grpc"].rpartition(":")
        socket.create_connection((host, int(port)), timeout=60).close()
