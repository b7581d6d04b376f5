"""`lectern serve` with several worker processes: who dies or hangs is replaced, and they stop together."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from prometheus_client import values
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service.observability import MULTIPROCESS_DIR
from service.server.shared_metrics import shared_metrics
from service.server.worker_handle import HEARTBEAT_SECONDS, SILENCE_SECONDS
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import labels, pixels
from tests.support.metrics import metric_value
from tests.support.processes import Server, accepts, lectern, server
from tests.support.word_vector_bundles import write_words

# Each on a connection of its own, whichever process answers; patient with a busy machine.
get, post = partial(httpx.get, timeout=60), partial(httpx.post, timeout=60)


@pytest.fixture
def temporary_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for the server's temporary files, with a short name; nothing of the server is left there."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv(MULTIPROCESS_DIR, "")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    yield folder
    deadline = time.monotonic() + 30
    while list(folder.glob("lectern*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(folder.glob("lectern*")) == []
    shutil.rmtree(folder)


def _assert_metric_becomes(url: str, name: str, value: float) -> None:
    """A process writes its metrics in the turn of its event loop after the answer."""
    end = time.monotonic() + 10
    while (current := _metric(url, name)) != value and time.monotonic() < end:
        time.sleep(0.02)
    assert current == value, name


def _metric(url: str, name: str) -> float:
    """The sum of a metric of all processes."""
    return metric_value(get(f"{url}/metrics").text, name)


def _pids(running: Server, count: int) -> list[int]:
    """The ids of the first `count` worker processes that were ready."""
    running.wait_for("worker ready", count)
    return [line["pid"] for line in running.lines if line["message"] == "worker ready"][:count]


def _wait_gone(pids: list[int]) -> None:
    """Wait until no process has one of these ids."""
    deadline = time.monotonic() + 60
    while any(_exists(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[pid for pid in pids if _exists(pid)]}"
        time.sleep(0.05)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _descendants(pid: int) -> list[int]:
    """The ids of all processes that a process has started, and they in turn."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [descendant for child in map(int, children) for descendant in (child, *_descendants(child))]


def test_two_workers_share_the_socket_their_metrics_and_one_table(models_dir: Path) -> None:
    words = write_words(models_dir, form="int8").path
    with server(models_dir, WORKERS="2", DRAIN_SECONDS="0") as running:
        url = running.url

        def ask(number: int) -> list[str]:
            return labels(client.post(f"{url}/v1/classify", json=pixels(number % 10)))

        def ask_for_words(number: int) -> str:
            answer = client.post(f"{url}/v1/neighbors", json={"words": ["king"], "k": 1 + number})
            return str(answer.json()["results"][0]["neighbors"][0]["word"])

        with httpx.Client(timeout=60) as client, ThreadPoolExecutor(8) as threads:
            assert list(threads.map(ask, range(40))) == [[str(number % 10)] for number in range(40)]
            _assert_metric_becomes(url, "lectern_requests_total", 40)
            for _ in range(4):  # Whichever process answers.
                assert _metric(url, "lectern_inferences_total") == 40
                assert _metric(url, "lectern_model_ready") == 2
                text = client.get(f"{url}/metrics", headers={"accept": "application/openmetrics-text"}).text
                assert text.endswith("\n# EOF\n")
                families = {family.name: family for family in text_string_to_metric_families(text)}
                counted = {each.labels["model"]: each.value for each in families["lectern_requests"].samples}
                assert counted == {"digits": 40, "words": 0}
                stats = get(f"{url}/v2/models/digits/stats").json()["model_stats"][0]
                assert stats["inference_count"] == 40
                assert stats["inference_stats"]["success"]["count"] == 40
            assert list(threads.map(ask_for_words, range(20))) == ["queen"] * 20
        if Path("/proc/self/maps").exists():
            _assert_memory_is_shared(running, models_dir, words)
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert "Traceback" not in running.text


def _assert_memory_is_shared(running: Server, models: Path, words: Path) -> None:
    """The workers map one table, which is no file of the bundle, and the supervisor holds no model."""
    workers = [Path(f"/proc/{pid}/maps").read_text().splitlines() for pid in _pids(running, 2)]
    for name in ("table.npy", "vocabulary.txt"):
        mapped = [line.split() for lines in workers for line in lines if line.endswith(f"/{name}")]
        assert [fields[1] for fields in mapped] == ["r--s", "r--s"]
        assert len({fields[-1] for fields in mapped}) == 1
        assert mapped[0][-1] != str(words / name), "whatever happens to the bundle must not touch what serves"
    assert str(models) not in Path(f"/proc/{running.process.pid}/maps").read_text()
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (kilobytes,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert kilobytes < 150_000


def test_a_dead_worker_is_logged_counted_and_replaced(models_dir: Path) -> None:
    with server(models_dir, WORKERS="2", DRAIN_SECONDS="0") as running:
        url = running.url
        first, second = _pids(running, 2)
        for _ in range(4):
            assert labels(post(f"{url}/v1/classify", json=pixels(4))) == ["4"]
        _assert_metric_becomes(url, "lectern_requests_total", 4)
        os.kill(first, signal.SIGKILL)
        died = running.wait_for("worker died")
        assert (died["level"], died["pid"], died["signal"]) == ("error", first, "SIGKILL")
        _pids(running, 3)
        assert _metric(url, "lectern_worker_deaths_total") == 1
        for _ in range(4):
            assert labels(post(f"{url}/v1/classify", json=pixels(8))) == ["8"]
            _assert_metric_becomes(url, "lectern_in_flight", 1)  # The gauges of the dead process are gone.
        _assert_metric_becomes(url, "lectern_requests_total", 8)  # What it counted stays.

        # A single worker that gets SIGTERM finishes what it has, and is replaced.
        os.kill(second, signal.SIGTERM)
        running.wait_for("worker died", 2)
        ended = [line for line in running.lines if line["message"] == "worker died"][1]
        assert (ended["pid"], ended["exit_code"]) == (second, 0)
        _pids(running, 4)
        assert labels(post(f"{url}/v1/classify", json=pixels(2))) == ["2"]


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to find all processes")
def test_whichever_process_is_killed_the_server_goes_on(models_dir: Path) -> None:
    with server(models_dir, WORKERS="2", DRAIN_SECONDS="0") as running:
        url = running.url
        workers = _pids(running, 2)

        # A server that is stopped as a whole, and goes on later, keeps its workers.
        os.killpg(running.process.pid, signal.SIGSTOP)
        time.sleep(SILENCE_SECONDS + 0.5)
        os.killpg(running.process.pid, signal.SIGCONT)
        time.sleep(2 * HEARTBEAT_SECONDS)
        assert labels(post(f"{url}/v1/classify", json=pixels(6))) == ["6"]
        assert all(_exists(pid) for pid in workers)
        assert "worker died" not in running.text

        for pid in set(_descendants(running.process.pid)) - set(workers):
            os.kill(pid, signal.SIGKILL)  # Those that start processes and clean up after them.
        assert labels(post(f"{url}/v1/classify", json=pixels(1))) == ["1"]
        os.kill(workers[0], signal.SIGKILL)
        _pids(running, 3)
        os.kill(workers[1], signal.SIGSTOP)
        running.wait_for("worker died", 2)
        died = [line for line in running.lines if line["message"] == "worker died"][1]
        assert died["pid"] == workers[1]
        assert "no sign of life" in died["reason"]
        _pids(running, 4)
        _wait_gone(workers)
        assert labels(post(f"{url}/v1/classify", json=pixels(1))) == ["1"]
        running.signal(signal.SIGTERM)
        assert running.wait() == 0


@pytest.mark.usefixtures("temporary_files")
def test_workers_drain_and_late_clients_are_refused(models_dir: Path) -> None:
    with server(models_dir, WORKERS="2", DRAIN_SECONDS="1") as running:
        url, address = running.url, urlsplit(running.url)
        everyone = _descendants(running.process.pid)
        body = orjson.dumps(pixels(5))
        head = f"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        with socket.create_connection((address.hostname, address.port), timeout=30) as upload:
            upload.sendall(head.encode() + b"\r\n\r\n" + body[:-1])
            while _metric(url, "lectern_in_flight") < 2:
                time.sleep(0.01)
            running.signal(signal.SIGTERM)
            running.wait_for("draining")
            deadline = time.monotonic() + 30
            while accepts(url):
                assert time.monotonic() < deadline, "the socket is not closed"
                time.sleep(0.05)
            assert not any(accepts(url) for _ in range(12)), "a late client is refused, not left to wait"
            upload.sendall(body[-1:])
            answer = b"".join(iter(lambda: upload.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"label":"5"' in answer
        assert running.wait() == 0
        assert running.lines[-1]["message"] == "stopped"
        assert all(line.startswith("{") for line in running.text.splitlines()), "every line of the log is JSON"
        assert "Traceback" not in running.text
        assert "worker died" not in running.text
        _wait_gone(everyone)


@pytest.mark.usefixtures("temporary_files")
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_workers_stop_at_once_on_ctrl_c_and_on_a_second_signal(models_dir: Path, signals: list[signal.Signals]) -> None:
    with server(models_dir, WORKERS="2", DRAIN_SECONDS="600") as running:
        assert get(f"{running.url}/readyz").status_code == 200
        everyone = _descendants(running.process.pid)
        for number in signals:  # To all of them, as a terminal or systemd does.
            os.killpg(running.process.pid, number)
            running.wait_for("draining")
        assert running.wait() == 0
        assert sum(line["message"] == "draining" for line in running.lines) == 1
        assert running.lines[-1]["message"] == "stopped"
        assert "Traceback" not in running.text
        _wait_gone(everyone)


@pytest.mark.usefixtures("temporary_files")
def test_a_signal_to_the_whole_group_drains_once(models_dir: Path) -> None:
    with server(models_dir, WORKERS="2", DRAIN_SECONDS="600") as running:
        url = running.url
        os.killpg(running.process.pid, signal.SIGTERM)
        running.wait_for("draining")
        while get(f"{url}/readyz").status_code == 200:  # Whichever worker has not heard of it yet.
            time.sleep(0.01)
        assert labels(post(f"{url}/v1/classify", json=pixels(3))) == ["3"]
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert running.lines[-1]["message"] == "stopped"


@pytest.mark.usefixtures("temporary_files")
@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to find all processes")
def test_workers_whose_supervisor_is_killed_end_too(models_dir: Path) -> None:
    with server(models_dir, WORKERS="2", DRAIN_SECONDS="0") as running:
        url = running.url
        everyone = _descendants(running.process.pid)
        assert labels(post(f"{url}/v1/classify", json=pixels(3))) == ["3"]
        running.signal(signal.SIGKILL)
        running.wait()
        _wait_gone(everyone)
        assert not accepts(url)


@pytest.mark.usefixtures("temporary_files")
def test_what_no_worker_can_serve_is_said_and_ends_the_server(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = lectern("serve", WORKERS="2", PORT="0", MODELS=str(empty))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"lectern: model repository {empty} holds no model")
    assert "Traceback" not in done.stderr


def test_folders_of_servers_that_were_killed_as_a_whole_are_removed(temporary_files: Path) -> None:
    with shared_metrics():
        (current,) = temporary_files.iterdir()
        left = temporary_files / "lectern-metrics-left"
        foreign = temporary_files / "other-left"
        for folder in (left, foreign):
            folder.mkdir()
            (folder / "counter_1.db").touch()
            os.utime(folder, (0, 0))
        os.utime(current, (0, 0))
        with shared_metrics():
            assert current.exists(), "its server runs"
            assert foreign.exists()
            assert not left.exists()


WITHOUT_TEMPORARY_FOLDER = """
import sys, tempfile
from service.cli import main
tempfile._candidate_tempdir_list = list
sys.exit(main(["serve"]))
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_a_temporary_folder_one_process_serves_and_several_say_what_to_set(
    models_dir: Path, workers: str
) -> None:
    program = ("-c", WITHOUT_TEMPORARY_FOLDER)
    with server(models_dir, program=program, WORKERS=workers, DRAIN_SECONDS="0") as running:
        if workers == "1":
            assert labels(post(f"{running.url}/v1/classify", json=pixels(4))) == ["4"]
            running.signal(signal.SIGTERM)
            assert running.wait() == 0
        else:
            assert running.wait() == 2
            assert "lectern: no temporary folder can be written" in running.text
            assert "set TMPDIR to a folder that this user can write, or LECTERN_WORKERS=1" in running.text
        assert "Traceback" not in running.text


def test_a_temporary_folder_with_a_long_name_is_refused(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = models_dir / ("long-" * 20)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with server(models_dir, WORKERS="2") as running:
        assert running.wait() == 2
        assert "set TMPDIR to another folder with a short name, or LECTERN_WORKERS=1" in running.text
        assert "Traceback" not in running.text


LOAD, UNLOAD, INDEX = "/v2/repository/models/{}/load", "/v2/repository/models/{}/unload", "/v2/repository/index"


def _versions(url: str, tries: int = 12) -> set[tuple[int, str]]:
    """The statuses and versions of answers to requests on connections of their own: of all workers, very probably."""
    answers = [post(f"{url}/v1/classify", json=pixels(4)) for _ in range(tries)]
    return {(answer.status_code, answer.headers.get("x-lectern-version", "")) for answer in answers}


def test_models_load_and_unload_in_all_workers(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    with server(tmp_path, WORKERS="2", DRAIN_SECONDS="0") as running:
        url = running.url
        assert _versions(url) == {(200, "1")}
        write_classifier(tmp_path)
        assert post(url + LOAD.format("digits")).status_code == 200
        assert _versions(url) == {(200, "2")}, "all workers agree once the answer has come"
        assert post(url + LOAD.format("digits"), json={"parameters": {"version": "1"}}).status_code == 200
        assert _versions(url) == {(200, "1")}

        # A worker that comes up meanwhile serves the same versions.
        os.kill(_pids(running, 2)[0], signal.SIGKILL)
        _pids(running, 3)
        assert _versions(url) == {(200, "1")}

        unknown = post(url + LOAD.format("letters"))
        assert (unknown.status_code, unknown.json()) == (404, {"error": "no model 'letters' in the model repository"})
        unknown = post(url + UNLOAD.format("letters"))
        assert (unknown.status_code, unknown.json()) == (404, {"error": "no model 'letters'; there are: digits"})
        bad = write_classifier(tmp_path).path / "model.onnx"
        bad.write_bytes(b"damaged")
        refused = post(url + LOAD.format("digits"))
        assert refused.status_code == 400
        assert "version 3 of model 'digits' cannot be loaded" in refused.json()["error"]

        assert post(url + UNLOAD.format("digits")).status_code == 200
        assert {status for status, _ in _versions(url)} == {503}
        states = {line["state"] for _ in range(6) for line in post(url + INDEX).json()}
        assert states == {"UNAVAILABLE"}
        assert post(url + LOAD.format("digits"), json={"parameters": {"version": "2"}}).status_code == 200
        assert _versions(url) == {(200, "2")}
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert "Traceback" not in running.text


def test_a_worker_that_is_stopped_or_dies_during_a_load_does_not_hold_it(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    with server(tmp_path, WORKERS="3", DRAIN_SECONDS="0") as running, ThreadPoolExecutor(1) as threads:
        url = running.url
        stopped, killed, _ = _pids(running, 3)
        write_classifier(tmp_path)
        os.kill(stopped, signal.SIGSTOP)
        loading = threads.submit(_load_patiently, url)
        time.sleep(0.3)
        os.kill(killed, signal.SIGKILL)
        assert loading.result(60) == 200
        _pids(running, 5)
        assert _versions(url) == {(200, "2")}


def _load_patiently(url: str) -> int:
    """Load again whenever the worker that was asked is gone."""
    while True:
        try:
            return httpx.post(url + LOAD.format("digits"), timeout=60).status_code
        except httpx.TransportError:
            time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked from a process that imports")
def test_the_process_that_workers_are_forked_from_imports_nothing_of_the_working_directory(
    tmp_path: Path, models_dir: Path
) -> None:
    folder = tmp_path / "working directory"
    folder.mkdir()
    for name in ("orjson", "numpy", "ctypes", "onnxruntime"):
        (folder / f"{name}.py").write_text("open('imported', 'w').close(); raise SystemExit")
    command = tmp_path / "lectern"  # As it is installed: Python takes the command's folder into the path, no other.
    command.write_text(
        f"import os\nos.chdir({str(folder)!r})\nfrom service.cli import main\nif __name__ == '__main__':\n    main()"
    )
    with server(models_dir, program=(str(command), "serve"), WORKERS="2", DRAIN_SECONDS="0") as running:
        assert labels(post(f"{running.url}/v1/classify", json=pixels(7))) == ["7"]
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
    assert not (folder / "imported").exists()
