"""A run that hangs, fails or takes all memory ends its own requests; the model and the others go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.errors import DeadlineExceeded, OutOfMemory
from service.observability import Timings
from service.runtime import run_deadline
from service.runtime.session import OnnxSession, Tensors
from service.settings import Settings
from service.tasks.image_classification.request import ClassifyRequest
from tests.support.bundle_edits import rewrite
from tests.support.classifier_bundles import SIZE, template, write_classifier
from tests.support.event_loop import run_async
from tests.support.hostile_graphs import DARK, Harm, hostile_graph
from tests.support.local_models import LocalModels
from tests.support.server import run_with_client
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

Open = Callable[..., LocalModels]

DARK_PICTURE = np.ones((SIZE, SIZE)).tolist()


def _write(repository: Path, name: str, harm: Harm, **options: Any) -> None:
    good = write_classifier(repository.parent / f"source-of-{name}", name)
    rewrite(good, {"model.onnx": hostile_graph(harm, above=DARK, **options)}, repository)


async def _ask(registry: LocalModels, name: str, picture: Any = None, timeout: float | None = None) -> str:
    request = ClassifyRequest(pixels=[picture or template(7).tolist()])
    answer = await registry.find(name=name).predict(request, Timings(), timeout)
    label: str = answer["results"][0]["predictions"][0]["label"]
    return label


@pytest.mark.parametrize("inline", ["always", "never"])
def test_a_run_that_hangs_is_stopped_at_its_deadline(tmp_path: Path, make_registry: Open, inline: str) -> None:
    _write(tmp_path, "digits", "hangs")
    registry = make_registry(tmp_path, inline=inline)
    registry.load_all()

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                await _ask(registry, "digits", DARK_PICTURE, timeout=0.3)
            assert await _ask(registry, "digits") == "7"
        assert registry.ready()
        await registry.unload("digits")

    run_async(main())


def test_a_short_deadline_stops_no_other_request_of_the_batch(tmp_path: Path, make_registry: Open) -> None:
    _write(tmp_path, "digits", "hangs")
    registry = make_registry(tmp_path, inline="never")
    registry.load_all()

    async def main() -> None:
        hanging = asyncio.create_task(_ask(registry, "digits", DARK_PICTURE, timeout=0.5))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(_ask(registry, "digits")) for _ in range(4)]
        with pytest.raises(DeadlineExceeded):
            await hanging
        assert await asyncio.gather(*others) == ["7"] * 4

    run_async(main())


@pytest.mark.parametrize("inline", ["always", "never"])
def test_a_run_that_takes_all_memory_fails_alone(tmp_path: Path, make_registry: Open, inline: str) -> None:
    _write(tmp_path, "digits", "takes memory", elements=10**13)
    write_classifier(tmp_path, "letters")
    registry = make_registry(tmp_path, inline=inline)
    registry.load_all()

    async def main() -> None:
        results = await asyncio.gather(
            _ask(registry, "digits"),
            _ask(registry, "digits", DARK_PICTURE),
            _ask(registry, "letters"),
            return_exceptions=True,
        )
        assert [results[0], type(results[1]), results[2]] == ["7", OutOfMemory, "7"]

    run_async(main())


REQUESTS: dict[str, tuple[Callable[[Path], Any], str, dict[str, Any]]] = {
    "digits": (write_classifier, "/v1/classify", {"pixels": [template(7).tolist()]}),
    "tagger": (write_tagger, "/v1/tag", {"text": "the dog sleeps ."}),
    "words": (write_words, "/v1/neighbors", {"words": ["king"]}),
    "translator": (write_translator, "/v1/translate", {"text": "The dog sleeps."}),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("inline", ["always", "never"])
@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("the model raises")])
def test_a_model_that_raises_fails_its_request_and_goes_on(
    tmp_path: Path, kind: str, inline: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, route, request = REQUESTS[kind]
    write(tmp_path)
    if kind != "digits":
        write_classifier(tmp_path)
    run = OnnxSession.run
    failing: list[str] = []

    def failing_run(self: OnnxSession, feeds: Tensors) -> Tensors:
        if (failing and "image" not in feeds) or failing == ["digits"]:
            raise error
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", failing_run)

    async def main(client: httpx.AsyncClient) -> None:
        before = await client.post(route, json=request)
        failing.append(kind)
        answer = await client.post(route, json=request)
        assert answer.status_code == (503 if isinstance(error, MemoryError) else 500)
        assert "the model raises" not in answer.text
        if kind != "digits":
            assert (await client.post("/v1/classify", json=REQUESTS["digits"][2])).status_code == 200
        failing.clear()
        assert (await client.post(route, json=request)).json() == before.json()

    run_with_client(main, Settings(models=tmp_path, inline=inline))


class _Session:
    """Counts its runs; the first is stopped although its deadline has not passed."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, outputs: list[str], feeds: Any, options: Any) -> list[str]:
        self.runs += 1
        if self.runs == 1:
            options.terminate = True
            raise RuntimeError("Exiting due to terminate flag being set to true.")
        assert not options.terminate
        return ["answer"]


def test_a_stop_that_was_meant_for_the_run_before_is_repeated() -> None:
    session = _Session()
    with run_deadline.stop_at(time.perf_counter() + 60):
        assert run_deadline.run(session, ["out"], {}) == ["answer"]
    assert session.runs == 2
