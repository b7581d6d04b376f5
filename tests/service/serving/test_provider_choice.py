"""`LECTERN_PROVIDERS=auto` takes the provider that runs the model's samples fastest, and keeps that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.runtime.provider_options import CPU, OPENVINO
from service.serving import provider_choice
from service.serving.cache_folder import CacheFolder
from service.serving.preparation import prepare, verify
from service.serving.preparation_job import PreparationJob
from service.serving.preparer import job_of
from service.serving.provider_choice import choose_provider
from service.serving.provider_choice_figures import Figures
from service.settings import Settings
from tests.support.bundle_edits import edit_samples
from tests.support.classifier_bundles import write_classifier

FAST = Figures(one_row_seconds=0.001, rows=64, rows_seconds=0.064)
"""The CPU's."""


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """An onnxruntime with two providers; both are the CPU's, under the names of two."""
    monkeypatch.setattr(provider_choice, "automatic", lambda: (OPENVINO, CPU))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, two: None) -> dict[str, Figures | str | Exception]:
    """What measuring each provider gives; the calls are counted under `calls`."""
    outcomes: dict[str, Any] = {CPU: FAST, "calls": 0}

    def measure(job: Any, bundle: Any, provider: str, options: Any) -> Any:
        outcomes["calls"] += 1
        if isinstance(outcomes[provider], Exception):
            raise outcomes[provider]
        return outcomes[provider]

    monkeypatch.setattr(provider_choice, "_measure_one", measure)
    return outcomes


def _job(path: Path, cache: Path | None = None, **settings: Any) -> PreparationJob:
    return job_of(Settings(models=path.parent.parent, **settings), path, cache)


def _figures(one: float, many: float) -> Figures:
    return Figures(one_row_seconds=one, rows=64, rows_seconds=many)


@pytest.mark.parametrize(
    ("other", "by", "chosen"),
    [
        (_figures(0.0005, 0.1), "latency", OPENVINO),
        (_figures(0.0005, 0.1), "throughput", CPU),
        (_figures(0.002, 0.03), "latency", CPU),
        (_figures(0.002, 0.03), "throughput", OPENVINO),
        (_figures(0.00095, 0.064), "latency", CPU),  # Within the noise.
    ],
)
def test_the_faster_one_by_the_setting(
    tmp_path: Path, measured: dict[str, Any], other: Figures, by: Any, chosen: str
) -> None:
    bundle = write_classifier(tmp_path)
    measured[OPENVINO] = other
    choice = choose_provider(_job(bundle.path, provider_choice=by), bundle, "hash")
    assert choice is not None
    assert (choice.provider, choice.chosen_by) == (chosen, by)
    assert choice.figures == {OPENVINO: other, CPU: FAST}


def test_a_choice_says_both_figures(tmp_path: Path, measured: dict[str, Any]) -> None:
    bundle = write_classifier(tmp_path)
    measured[OPENVINO] = _figures(0.00050012, 7.8349)
    choice = choose_provider(_job(bundle.path), bundle, "hash")
    assert choice is not None
    assert choice.describe() == (
        "openvino by latency (openvino 0.5 ms at batch 1, 7830 ms at 64; cpu 1 ms at batch 1, 64 ms at 64)"
    )


@pytest.mark.parametrize("outcome", ["it answers differently: x", RuntimeError("no device\nat all")])
def test_a_provider_that_fails_or_answers_differently_is_not_taken(
    tmp_path: Path, measured: dict[str, Any], outcome: Any
) -> None:
    bundle = write_classifier(tmp_path)
    measured[OPENVINO] = outcome
    choice = choose_provider(_job(bundle.path), bundle, "hash")
    assert choice is not None
    assert choice.provider == CPU
    assert choice.unusable == {OPENVINO: str(outcome).partition("\n")[0]}
    assert "openvino unusable: " in choice.describe()


def test_it_is_kept_by_bundle_and_machine(tmp_path: Path, measured: dict[str, Any]) -> None:
    bundle = write_classifier(tmp_path / "models")
    measured[OPENVINO] = _figures(0.0005, 0.1)
    cache = CacheFolder(tmp_path / "cache", 2**30).path
    for by in ("latency", "throughput", "latency"):
        choose_provider(_job(bundle.path, cache, provider_choice=by), bundle, "hash")
    assert measured["calls"] == 2  # Once for each provider.
    choose_provider(_job(bundle.path, cache), bundle, "another hash")
    choose_provider(_job(bundle.path, cache, provider_options="openvino.num_streams=2"), bundle, "hash")
    assert measured["calls"] == 6


def test_a_cache_that_cannot_be_written_is_no_reason_not_to_serve(tmp_path: Path, measured: dict[str, Any]) -> None:
    bundle = write_classifier(tmp_path / "models")
    measured[OPENVINO] = FAST
    (tmp_path / "cache").touch()
    assert choose_provider(_job(bundle.path, tmp_path / "cache"), bundle, "hash") is not None


@pytest.mark.parametrize("providers", [("cpu",), ("openvino", "cpu"), ("auto", "cpu")])
def test_nothing_is_measured_where_the_settings_name_a_provider(
    tmp_path: Path, measured: dict[str, Any], providers: tuple[str, ...]
) -> None:
    bundle = write_classifier(tmp_path)
    assert choose_provider(_job(bundle.path, providers=providers), bundle, "hash") is None
    assert measured["calls"] == 0


def test_nothing_is_measured_where_only_one_provider_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_classifier(tmp_path)
    monkeypatch.setattr(provider_choice, "automatic", lambda: (CPU,))
    assert choose_provider(_job(bundle.path), bundle, "hash") is None


def test_a_version_is_prepared_with_what_was_chosen(tmp_path: Path, measured: dict[str, Any]) -> None:
    bundle = write_classifier(tmp_path)
    measured[OPENVINO] = "it cannot be started"
    prepared = prepare(_job(bundle.path))
    assert prepared.providers == (CPU,)
    assert prepared.provider_choice is not None
    assert verify(_job(bundle.path)).placement == {"model": "cpu, nodes: cpu 3"}


def test_both_are_really_measured(tmp_path: Path, two: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_classifier(tmp_path)
    monkeypatch.setattr(provider_choice, "automatic", lambda: (CPU, CPU))
    choice = choose_provider(_job(bundle.path), bundle, "hash")
    assert choice is not None
    (figures,) = choice.figures.values()
    assert figures.rows == 64
    assert 0 < figures.one_row_seconds < figures.rows_seconds * 64


def test_a_provider_that_falls_back_cannot_be_started(tmp_path: Path, two: None) -> None:
    bundle = write_classifier(tmp_path)
    choice = choose_provider(_job(bundle.path), bundle, "hash")
    assert choice is not None
    if OPENVINO not in choice.figures:  # Where this test runs without it.
        assert choice.unusable == {OPENVINO: "it cannot be started"}


def test_wrong_answers_make_a_provider_unusable(tmp_path: Path, two: None) -> None:
    bundle = write_classifier(tmp_path)
    wrong = edit_samples(bundle, lambda samples: samples[1]["results"][0]["predictions"][0].update(label="3"))
    choice = choose_provider(_job(wrong.path), wrong, "hash")
    assert choice is not None
    assert choice.unusable[CPU].startswith("it answers differently: samples[1]")
