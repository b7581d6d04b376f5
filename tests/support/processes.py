"""Running `lectern serve` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]

_PATIENCE_SECONDS = 180.0
"""Time for a process to do what is waited for, on a machine that is busy with much else."""


def environment(**settings: str) -> dict[str, str]:
    """The environment of this process with other settings instead of the machine's LECTERN_ variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LECTERN_")}
    return {**inherited, "OMP_NUM_THREADS": "1", **{f"LECTERN_{name}": value for name, value in settings.items()}}


def lectern(*arguments: str, timeout: float = _PATIENCE_SECONDS, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a `lectern` command to its end."""
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(
        command, env=environment(**settings), cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )


class Server:
    """A server process and the log lines it has written."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.text = ""
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.text += line
                if line.startswith("{"):
                    self.lines.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, message: str, count: int = 1, timeout: float = _PATIENCE_SECONDS) -> dict[str, Any]:
        """The first log line with this message, waiting until there are `count` of them."""

        def matches() -> list[dict[str, Any]]:
            return [line for line in self.lines if line["message"] == message]

        with self._news:
            self._news.wait_for(lambda: len(matches()) >= count or self._ended, timeout)
            assert len(matches()) >= count, f"{message!r} was not logged {count} times:\n{self.text}"
            return matches()[0]

    @property
    def url(self) -> str:
        """The address that the server listens on."""
        address: str = self.wait_for("serving")["address"]
        return address

    def close(self) -> None:
        """Release the pipe of a process that has ended."""
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float = _PATIENCE_SECONDS) -> int:
        """Wait for its end and return the exit code."""
        code = self.process.wait(timeout)
        self._reader.join(10)
        return code


@contextmanager
def server(
    models: Path,
    *,
    python: str = sys.executable,
    program: Sequence[str] = ("-m", "service", "serve"),
    preexec: Callable[[], None] | None = None,
    **settings: str,
) -> Iterator[Server]:
    """A server process on a free port; it is killed at the end if it still runs.

    Args:
        models: the model repository.
        python: the interpreter of the server's environment.
        program: what Python runs.
        preexec: called in the process before it becomes the server.
        settings: settings, without their prefix.
    """
    complete: Mapping[str, str] = {"MODELS": str(models), "PORT": "0", **settings}
    process = subprocess.Popen(
        [python, *program],
        env=environment(**complete),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=preexec,
    )
    running = Server(process)
    try:
        yield running
    except BaseException:
        print(running.text)  # pytest shows it with the failure.
        raise
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        running.close()


def accepts(url: str) -> bool:
    """Whether a server accepts connections at the address of a URL."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=10).close()
    except ConnectionError:
        return False
    return True


def session_members(session: int) -> list[int]:
    """The processes of a session, without those that have ended."""
    members = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            members.append(int(folder.name))
    return members
