"""Copies of prepared models that are removed or altered while workers serve: they are prepared again."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import labels, pixels
from tests.support.processes import Server, server


def _remove_cache(cache: Path) -> None:
    shutil.rmtree(cache)


def _remove_one_and_alter_another(cache: Path) -> None:
    shutil.rmtree(_entry(cache, '"letters"'))
    with (_entry(cache) / "model.onnx").open("ab") as stream:
        stream.write(b"\0")


def _put_file_there(cache: Path) -> None:
    shutil.rmtree(cache / "prepared-3")
    (cache / "prepared-3").touch()


def _entry(cache: Path, model: str = '"digits"') -> Path:
    (entry,) = (path.parent for path in cache.rglob("entry.json") if model in path.read_text())
    return entry


def _replace_workers(running: Server) -> None:
    """Kill both workers, and wait until their successors accept connections."""
    before = [line["pid"] for line in running.lines if line["message"] == "worker ready"]
    for count, pid in enumerate(before[-2:], len(before) + 1):
        os.kill(pid, signal.SIGKILL)
        running.wait_for("worker ready", count)


def _statuses(running: Server, path: str, body: dict[str, object] | None = None, tries: int = 8) -> set[int]:
    """Statuses of requests on connections of their own: of both workers, very probably."""
    url = running.url + path
    send = (lambda: httpx.get(url, timeout=60)) if body is None else (lambda: httpx.post(url, json=body, timeout=60))
    return {send().status_code for _ in range(tries)}


def _wait_until_ready(running: Server) -> None:
    deadline = time.monotonic() + 60
    while _statuses(running, "/readyz") != {200}:
        assert time.monotonic() < deadline, running.text
        time.sleep(0.1)


@pytest.mark.parametrize("damage", [_remove_cache, _remove_one_and_alter_another, _put_file_there])
def test_workers_are_replaced_after_copies_were_damaged(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    write_classifier(tmp_path / "models", "digits")
    write_classifier(tmp_path / "models", "letters")
    with server(tmp_path / "models", WORKERS="2", CACHE=str(tmp_path / "cache"), DRAIN_SECONDS="0") as running:
        running.wait_for("worker ready", 2)
        damage(tmp_path / "cache")
        _replace_workers(running)
        _wait_until_ready(running)
        for model in ("digits", "letters"):
            answer = httpx.post(f"{running.url}/v1/classify", json=pixels(4) | {"model": model}, timeout=60)
            assert labels(answer) == ["4"]
        assert "Traceback" not in running.text
        running.signal(signal.SIGTERM)
        assert running.wait() == 0


def test_a_temporary_folder_that_is_removed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    write_classifier(tmp_path / "models")
    with server(tmp_path / "models", WORKERS="2", DRAIN_SECONDS="0") as running:
        running.wait_for("worker ready", 2)
        (folder,) = tmp_path.glob("lectern-prepared-*")
        shutil.rmtree(folder)
        _replace_workers(running)
        _wait_until_ready(running)
        assert folder.exists()
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
    assert not folder.exists()


def test_what_cannot_be_prepared_again_stops_no_other_model(tmp_path: Path) -> None:
    write_classifier(tmp_path / "models", "digits")
    write_classifier(tmp_path / "models", "letters")
    with server(tmp_path / "models", WORKERS="2", CACHE=str(tmp_path / "cache"), DRAIN_SECONDS="0") as running:
        running.wait_for("worker ready", 2)
        shutil.rmtree(_entry(tmp_path / "cache"))
        bundle = tmp_path / "models" / "digits"
        bundle.rename(tmp_path / "elsewhere")
        for _ in range(2):
            _replace_workers(running)
        running.wait_for("model is not prepared again")
        assert _statuses(running, "/v1/classify", pixels(4) | {"model": "letters"}) == {200}
        assert _statuses(running, "/v1/classify", pixels(4) | {"model": "digits"}) == {503}
        answer = httpx.get(f"{running.url}/readyz", timeout=60)
        assert answer.status_code == 503
        assert "digits" in answer.text
        (tmp_path / "elsewhere").rename(bundle)
        assert _statuses(running, "/v2/repository/models/digits/load", {}, tries=1) == {200}
        _wait_until_ready(running)
        assert _statuses(running, "/v1/classify", pixels(4) | {"model": "digits"}) == {200}
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
