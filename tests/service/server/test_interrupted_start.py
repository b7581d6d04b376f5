"""Signals while models load: the server ends at once with exit code 0, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.classifier_bundles import write_classifier
from tests.support.hostile_graphs import write_hostile
from tests.support.processes import ROOT, environment, session_members

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


@pytest.mark.parametrize(
    ("stage", "workers", "number"),
    [
        ("the helper process starts", "1", signal.SIGTERM),
        ("the helper process starts", "2", signal.SIGINT),
        ("a model is prepared", "1", signal.SIGINT),
        ("a model is prepared", "2", signal.SIGTERM),
        ("another model serves", "1", signal.SIGTERM),
        ("another model serves", "2", signal.SIGINT),
    ],
)
def test_a_signal_while_models_load_leaves_nothing_behind(
    tmp_path: Path, stage: str, workers: str, number: signal.Signals
) -> None:
    models = tmp_path / "models"
    write_hostile(models, "bad", "hangs")
    if stage == "another model serves":
        write_classifier(models, "digits")
    temporary = Path(tempfile.mkdtemp(prefix="t-"))  # Sockets are made in it, and their names must be short.
    settings = environment(
        MODELS=str(models), PORT="0", WORKERS=workers, ADMIN_PORT=str(temporary / "admin"), DRAIN_SECONDS="0"
    )
    with (tmp_path / "log").open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve"],
            env={**settings, "TMPDIR": str(temporary)},
            cwd=ROOT,
            stderr=log_file,
            start_new_session=True,
        )
    begun: Callable[[], bool] = {
        "the helper process starts": lambda: len(session_members(process.pid)) > 1,
        "a model is prepared": lambda: any(temporary.glob("lectern-prepared-*/**/.partial-*")),
        "another model serves": lambda: '"message":"listening"' in (tmp_path / "log").read_text(),
    }[stage]
    try:
        _wait_until(begun)
        process.send_signal(number)
        code = process.wait(180)
        log = (tmp_path / "log").read_text()
        assert code == 0, log
        assert "Traceback" not in log
        _wait_until(lambda: not session_members(process.pid))
        assert {path.name for path in temporary.iterdir()} <= {".ses"}, "onnxruntime leaves that file"
    finally:
        for member in session_members(process.pid):
            os.kill(member, signal.SIGKILL)
        process.wait(10)
        shutil.rmtree(temporary)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


_SIGNAL_AT_THE_FORK = """
import os, signal, sys
from service.server.process_signals import exit_on_signals
from service.serving.helper_process import shared_helper

os.register_at_fork(**{sys.argv[1]: lambda: os.kill(os.getpid(), signal.SIGTERM)})
with exit_on_signals():
    try:
        shared_helper().fork()
        process = shared_helper()._process
        process.join(60)
        print(process.exitcode)
    finally:
        shared_helper().close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the helper process is no fork")
@pytest.mark.parametrize(("moment", "output"), [("after_in_parent", ""), ("after_in_child", f"{-signal.SIGTERM}\n")])
def test_a_signal_in_the_moment_of_the_fork_is_not_lost(moment: str, output: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SIGNAL_AT_THE_FORK, moment],
        env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")
