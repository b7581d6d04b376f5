"""When the supervisor starts a worker again, and when it gives up; workers are faked here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.errors import ConfigurationError
from service.server import supervisor as module
from service.server.channel import Message
from service.server.supervisor import Supervisor
from service.server.worker_handle import WorkerHandle
from service.settings import Settings
from tests.support.event_loop import run_async


class FakeWorker(WorkerHandle):
    """A worker process that ends as soon as it was started."""

    starts = 0
    reason = ""

    async def start(self, settings: Settings, listeners: list[socket.socket]) -> None:
        type(self).starts += 1

    async def listen(self, handle: Callable[[Message], None]) -> None:
        self.failure, self.is_misconfigured = self.reason, bool(self.reason)

    async def send(self, kind: str, **fields: object) -> None:
        """Send nothing."""

    @property
    def exit_code(self) -> int:
        return 3


class ServingWorker(FakeWorker):
    """The first worker serves until the test ends; the others end at once."""

    ended: asyncio.Event

    async def listen(self, handle: Callable[[Message], None]) -> None:
        if self.number == 1:
            self.ready = True
            handle({"kind": "ready"})
            await self.ended.wait()


class HurriedSupervisor(Supervisor):
    """Waits for nothing, and ends after some pauses."""

    def __init__(self, settings: Settings, listeners: list[socket.socket]) -> None:
        super().__init__(settings, listeners)
        self.pauses: list[float] = []

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) == 8:
            self._stopping.set()
            ServingWorker.ended.set()
        await asyncio.sleep(0)


class IdleRepository:
    """A repository that is never ready."""

    def __init__(self, settings: Settings, publish: object) -> None:
        pass

    async def begin(self) -> None:
        await asyncio.sleep(3600)

    def watch(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture(autouse=True)
def idle_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ModelRepository", IdleRepository)
    FakeWorker.starts = 0


def _run(settings: Settings, listener: socket.socket) -> list[float]:
    """Run a supervisor to its end; returns its pauses."""
    pauses: list[float] = []

    async def main() -> None:
        supervisor = HurriedSupervisor(settings, [listener])
        ServingWorker.ended = asyncio.Event()
        try:
            await supervisor.run()
        finally:
            pauses.extend(supervisor.pauses)

    run_async(main())
    return pauses


def test_workers_that_never_start_end_the_server(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WorkerHandle", FakeWorker)
    with pytest.raises(ConfigurationError, match="a worker process does not start: exit code 3"):
        _run(Settings(models=tmp_path, workers=2), listener)
    assert FakeWorker.starts <= 6, "it gives up after three tries of one worker"


def test_a_worker_that_says_why_ends_the_server_at_once(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WorkerHandle", FakeWorker)
    monkeypatch.setattr(FakeWorker, "reason", "onnxruntime is not installed")
    with pytest.raises(ConfigurationError, match=r"^onnxruntime is not installed$"):
        _run(Settings(models=tmp_path, workers=2), listener)
    assert FakeWorker.starts <= 2


def test_a_worker_that_dies_again_and_again_is_started_with_growing_pauses(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WorkerHandle", ServingWorker)
    pauses = _run(Settings(models=tmp_path, workers=2), listener)
    assert pauses == [0, 1, 2, 4, 8, 16, 30, 30]
