"""Jumps of the system clock: deadlines, limits, queues, samples and loads follow one that does not jump."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from prometheus_client import values

from service.access.key_file import KeyFile
from service.access.rates import parse_rates
from service.access.token_buckets import TokenBuckets
from service.observability import MULTIPROCESS_DIR
from service.server.shared_metrics import shared_metrics
from service.serving.cache_folder import CacheFolder
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import labels, pixels
from tests.support.event_loop import run_async
from tests.support.server import Gate, serving

YEARS = 10 * 365 * 24 * 3600.0


class Clock:
    """The system's clock, which can be set."""

    def __init__(self) -> None:
        self._real = time.time
        self.ahead = 0.0
        """Seconds that it is ahead of the real one."""

    def __call__(self) -> float:
        return self._real() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What `time.time` says in this process."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
def test_requests_samples_and_loads_go_on(tmp_path: Path, clock: Clock, gate: Gate, jump: float) -> None:
    write_classifier(tmp_path / "models")
    settings = Settings(
        models=tmp_path / "models", cache=tmp_path / "cache", inline="never", canary_seconds=0.2, deadline_seconds=20
    )

    async def main() -> None:
        async with serving(settings) as (client, app):
            gate.shut()
            waiting = asyncio.create_task(client.post("/v1/classify", json=pixels(7)))
            await gate.wait_entered()
            clock.ahead = jump
            gate.open()
            assert labels(await waiting) == ["7"], "a request that was waiting"
            assert labels(await client.post("/v1/classify", json=pixels(4))) == ["4"]
            await asyncio.sleep(1)
            assert (await client.get("/readyz")).status_code == 200, "samples are answered in time"
            assert (await client.post("/v2/repository/models/digits/load", json={})).status_code == 200
            clock.ahead = 0.0
            assert labels(await client.post("/v1/classify", json=pixels(4))) == ["4"]
            assert app.context.registry.ready()

    run_async(main())


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
def test_limits_of_callers_neither_end_nor_last_longer(clock: Clock, jump: float) -> None:
    buckets, rates = TokenBuckets(), parse_rates("2/day")
    assert [buckets.admit("caller", rates) for _ in range(2)] == [0.0, 0.0]
    before = buckets.admit("caller", rates)
    clock.ahead = jump
    after = buckets.admit("caller", rates)
    assert before - 60 < after <= before
    buckets.close()


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
def test_a_changed_key_file_counts(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    path = tmp_path / "keys"
    path.write_text(f"first infer sha256:{'0' * 64}\n")
    monkeypatch.setattr("service.access.key_file._CHECK_SECONDS", 0.0)
    keys = KeyFile(path)
    clock.ahead = jump
    path.write_text(f"first infer sha256:{'0' * 64}\nsecond infer sha256:{'1' * 64}\n")
    keys.find("any")
    assert len(keys._keys) == 2


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
def test_no_folder_that_is_in_use_is_taken_for_an_old_one(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv(MULTIPROCESS_DIR, "")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    with shared_metrics():
        folder = CacheFolder(None, 2**30)
        before = sorted(tmp_path.iterdir())
        clock.ahead = jump
        with shared_metrics():
            CacheFolder(None, 2**30).close()
            assert set(before) <= set(tmp_path.iterdir())
        folder.close()
