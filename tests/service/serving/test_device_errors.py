"""A device that fails for good takes its models out of service; memory that runs out fails one request."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.errors import DeviceLost, NotReady, OutOfMemory
from service.observability import Timings
from service.serving.served_model import ServedModel
from service.tasks.image_classification.request import ClassifyRequest
from tests.support.classifier_bundles import template, write_classifier
from tests.support.local_models import LocalModels

Open = Callable[..., LocalModels]

LOST = "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=gpu-1 ; expr=cudaStreamSync"


def _break(served: ServedModel, text: str) -> None:
    """Let the runs of a model fail as those of a device do."""

    def run(feeds: Any) -> Any:
        raise RuntimeError(text)

    for session in served.predictor.sessions.values():
        session.run = run  # type: ignore[method-assign]


async def _ask(registry: LocalModels, name: str = "digits") -> str:
    answer = await registry.find(name=name).predict(ClassifyRequest(pixels=[template(7).tolist()]), Timings())
    label: str = answer["results"][0]["predictions"][0]["label"]
    return label


def _ready(registry: LocalModels) -> dict[str, float]:
    samples = registry._metrics.samples()
    return {labels["model"]: value for name, labels, value in samples if name == "lectern_model_ready"}


@pytest.fixture
def registry(tmp_path: Path, make_registry: Open) -> LocalModels:
    write_classifier(tmp_path)
    write_classifier(tmp_path, "letters")
    registry = make_registry(tmp_path)
    registry.load_all()
    return registry


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The signals that the process sends itself."""
    sent: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", sent.append)
    return sent


def test_a_lost_device_turns_its_model_not_ready(
    registry: LocalModels, signals: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        _break(registry.find(name="digits"), LOST)
        with (
            caplog.at_level(logging.CRITICAL),
            pytest.raises(DeviceLost, match=r"the device failed .*\(CUDA failure 700"),
        ):
            await _ask(registry)
        with pytest.raises(NotReady, match="model 'digits' is not ready: the device failed and answers nothing until"):
            registry.find(name="digits")
        assert await _ask(registry, "letters") == "7"
        assert not registry.ready()
        assert registry.missing() == ["digits"]
        await asyncio.sleep(0)

    asyncio.run(main())
    (entry,) = (entry for entry in registry.index() if entry.name == "digits")
    assert (entry.state, entry.reason[:17]) == ("UNAVAILABLE", "the device failed")
    assert _ready(registry) == {"digits": 0.0, "letters": 1.0}
    (record,) = (record for record in caplog.records if record.levelno == logging.CRITICAL)
    assert record.message == "device lost"
    assert registry.device_lost
    assert signals == []


def test_several_requests_of_one_batch_lose_it_once(registry: LocalModels, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        _break(registry.find(name="digits"), LOST)
        outcomes = await asyncio.gather(*(_ask(registry) for _ in range(3)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DeviceLost] * 3

    asyncio.run(main())
    assert [record.message for record in caplog.records].count("device lost") == 1


def test_it_serves_again_once_it_is_loaded_again(registry: LocalModels) -> None:
    async def main() -> None:
        _break(registry.find(name="digits"), LOST)
        with pytest.raises(DeviceLost):
            await _ask(registry)
        await registry.load("digits")
        assert await _ask(registry) == "7"
        assert registry.ready()

    asyncio.run(main())


def test_the_process_ends_for_its_supervisor_if_that_is_set(
    tmp_path: Path, make_registry: Open, signals: list[int]
) -> None:
    write_classifier(tmp_path)
    registry = make_registry(tmp_path, exit_on_device_error=True)
    registry.load_all()

    async def main() -> None:
        _break(registry.find(name="digits"), LOST)
        with pytest.raises(DeviceLost):
            await _ask(registry)

    asyncio.run(main())
    assert signals == [signal.SIGTERM]


def test_memory_that_runs_out_fails_the_request_and_nothing_else(registry: LocalModels) -> None:
    async def main() -> None:
        served = registry.find(name="digits")
        run = next(iter(served.predictor.sessions.values())).run
        _break(served, "CUDA failure 2: out of memory ; GPU=0")
        with pytest.raises(OutOfMemory, match="send less at once, or try again"):
            await _ask(registry)
        assert registry.ready()
        for session in served.predictor.sessions.values():
            session.run = run  # type: ignore[method-assign]
        assert await _ask(registry) == "7"

    asyncio.run(main())
