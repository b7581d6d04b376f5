"""The process that prepares models: what it imports, and what happens when somebody stops or kills it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from service.errors import InvalidRequest
from service.serving.helper_process import HelperProcess
from tests.support.classifier_bundles import write_classifier
from tests.support.event_loop import run_async
from tests.support.hostile_graphs import write_hostile
from tests.support.local_models import LocalModels, local_models


def test_the_helper_process_imports_nothing_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classifier(tmp_path / "models")
    for name in ("orjson", "numpy", "ctypes", "resource", "multiprocessing"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w').close(); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    registry = local_models(tmp_path / "models")
    registry.repository.preparer.helper = HelperProcess()
    registry.load_all()
    asyncio.run(registry.close())
    registry.repository.preparer.helper.close()
    assert not (tmp_path / "imported").exists()


@pytest.fixture(scope="module")
def helper() -> Iterator[HelperProcess]:
    """A helper process that no other module uses: these tests stop and kill it."""
    helper = HelperProcess()
    yield helper
    helper.close()


@pytest.fixture
def registry(tmp_path: Path, helper: HelperProcess) -> Iterator[LocalModels]:
    """A registry whose helper process is running."""
    write_classifier(tmp_path / "models")
    registry = local_models(tmp_path / "models", load_seconds=30.0)
    registry.repository.preparer.helper = helper
    registry.load_all()
    yield registry
    asyncio.run(registry.close())


def _helper(registry: LocalModels) -> int:
    process = registry.repository.preparer.helper._process
    assert process is not None
    assert process.pid is not None
    return process.pid


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _tries(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The reasons why preparations were tried once more."""
    fields = (record.__dict__.get("fields") for record in caplog.records if "once more" in record.message)
    return [each["reason"] for each in fields if each]


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc says what is stopped")


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_helper_process_that_is_stopped_or_killed_is_replaced(registry: LocalModels, number: signal.Signals) -> None:
    before = _helper(registry)
    os.kill(before, number)
    begin = time.monotonic()
    asyncio.run(registry.load("digits"))
    assert registry.ready()
    assert _helper(registry) != before
    assert time.monotonic() - begin < 45, "longer than its own limits, so it was waited for"


async def _next_child(registry: LocalModels, *known: int) -> int:
    """The process that prepares a model, once there is one that is not known."""
    while True:
        process = registry.repository.preparer.helper._process
        if process is not None and process.pid is not None:  # Else it is being replaced.
            with suppress(OSError):
                if new := [child for child in _children(process.pid) if child not in known]:
                    await asyncio.sleep(0.5)  # It says that it has begun.
                    if new[0] in _children(process.pid):  # Else it was that of the job before, which ended.
                        return new[0]
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda helper, child: os.kill(helper, signal.SIGKILL), "the process that prepares models was killed"),
        (lambda helper, child: os.kill(child, signal.SIGSTOP), "the process that prepares models was stopped"),
        (lambda helper, child: os.kill(child, signal.SIGKILL), "the process that tried it was killed"),
    ],
)
def test_a_job_whose_process_is_stopped_or_killed_is_tried_once_more(
    tmp_path: Path,
    registry: LocalModels,
    caplog: pytest.LogCaptureFixture,
    act: Callable[[int, int], None],
    reason: str,
) -> None:
    write_hostile(tmp_path / "models", "bad", "hangs")
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        loading = asyncio.create_task(registry.load("bad"))
        first = await _next_child(registry)
        act(_helper(registry), first)
        while not _tries(caplog):
            await asyncio.sleep(0.05)
        assert _tries(caplog) == [reason]
        second = await _next_child(registry, first)
        assert not loading.done()
        os.kill(second, signal.SIGKILL)
        with pytest.raises(InvalidRequest, match="the process that tried it was killed"):
            await loading
        assert len(_tries(caplog)) == 1

    run_async(main(), timeout=60)


def test_a_helper_process_that_is_stopped_again_and_again_is_named_as_the_reason(
    tmp_path: Path, registry: LocalModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = registry.repository.preparer.helper
    send = helper._send

    def send_and_stop(request: bytes, sender: int) -> object:
        process = send(request, sender)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        return process

    os.kill(_helper(registry), signal.SIGSTOP)
    monkeypatch.setattr(helper, "_send", send_and_stop)
    write_classifier(tmp_path / "models", "letters")
    with pytest.raises(
        InvalidRequest, match="twice the process that prepares models was stopped; load the model again"
    ):
        asyncio.run(registry.load("letters"))
    assert "LECTERN_LOAD_SECONDS" not in str(list(registry.index()))
    monkeypatch.undo()
    asyncio.run(registry.load("letters"))
    assert registry.ready()
