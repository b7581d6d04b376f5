"""What a model's speed is learned from: requests with little or nothing to run do not make it look slow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from service.bundle.manifest import Task
from service.runtime.session import Tensors
from service.serving.admission import Admission
from service.settings import Settings
from service.tasks.scheduling import RUN
from tests.support.event_loop import run_async
from tests.support.server import serving
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

ROUTES = {
    Task.TOKEN_CLASSIFICATION: ("/v1/tag", write_tagger),
    Task.TRANSLATION: ("/v1/translate", write_translator),
    Task.WORD_VECTORS: ("/v1/neighbors", write_words),
}
UNIT_SECONDS = 1e-4
SMALL_SECONDS = 0.1
"""Time that each small request takes, by the clock of the admission."""


@pytest.mark.parametrize(
    ("task", "small", "large"),
    [
        (Task.TOKEN_CLASSIFICATION, {"text": "x"}, {"texts": ["the dog sleeps."] * 1000}),
        (Task.TOKEN_CLASSIFICATION, {"text": "'" * 5000}, {"texts": ["the dog sleeps."] * 1000}),
        (Task.TRANSLATION, {"texts": ["\n" * 4000, "dog"]}, {"texts": ["the dog sleeps."] * 900, "beam_size": 1}),
        (Task.WORD_VECTORS, {"words": ["king"], "k": 1}, {"words": ["king"] * 5000, "k": 1}),
    ],
)
def test_small_requests_do_not_shut_out_a_large_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Task, small: dict[str, Any], large: dict[str, Any]
) -> None:
    route, write = ROUTES[task]
    write(tmp_path)

    async def main() -> None:
        async with serving(Settings(models=tmp_path)) as (client, app):
            served = app.context.registry.find(task)
            clock = _Clock()
            served.records.admission = Admission(
                served.name, {RUN: UNIT_SECONDS}, max_in_flight=9, max_wait=3, parallel=9, clock=clock
            )
            run = served._run

            async def run_slowly(*args: Any) -> Tensors:
                clock.now += SMALL_SECONDS
                return await run(*args)

            with monkeypatch.context() as patch:
                patch.setattr(served, "_run", run_slowly)
                for _ in range(60):
                    assert (await client.post(route, json=small)).status_code == 200
            answer = await client.post(route, json=large)
            assert answer.status_code == 200, answer.text

    run_async(main())


class _Clock:
    """Stands still until it is moved; behind the time by which deadlines are set, so that none passes."""

    def __init__(self) -> None:
        self.now = time.perf_counter()

    def __call__(self) -> float:
        return self.now
