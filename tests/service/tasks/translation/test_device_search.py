"""A search whose state and memory stay on a device, played by the CPU, finds what the one on the CPU finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.decoding import SearchSettings, StepLoop
from service.decoding.graph_io import ATTENTION, CANDIDATES, ENCODER, KEYS, LOG_PROBS, MEMORY, NEXT_STATE, STATE, STEP
from service.errors import DeadlineExceeded
from service.runtime import session as session_module
from service.runtime.device_arrays import Device, DeviceArray
from service.runtime.run_deadline import stop_at
from service.runtime.session import OnnxSession
from service.tasks.translation.predictor import TranslationPredictor
from tests.support.predictors import open_predictor
from tests.support.translator_bundles import write_translator

SENTENCES = [[4, 5, 6], [7], [5, 9, 4, 8, 6, 7, 5, 4, 9, 8, 7, 6], [6, 6], [8, 4, 5, 9], [9, 9, 9, 5, 4, 6]]


@pytest.fixture(params=[True, False], ids=["attention", "no attention"])
def pair(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[TranslationPredictor, TranslationPredictor]:
    """The same translator on the CPU, and on a device."""
    bundle = write_translator(tmp_path, attention=request.param)
    host = open_predictor(TranslationPredictor, bundle)
    monkeypatch.setattr(session_module, "_device_of", lambda report: Device("cpu", 0))
    return host, open_predictor(TranslationPredictor, bundle)


def _decode(predictor: TranslationPredictor, *, wants_attention: bool = False) -> dict[Any, Any]:
    """Sentences of two beam sizes that join between steps, one of which is dropped."""
    loop: StepLoop = predictor.scheduling.step_loop()
    results: dict[Any, Any] = {}

    def step() -> None:
        for finished in loop.step():
            assert finished.error is None, finished.error
            results[finished.ticket] = finished.hypotheses

    for ticket, sentence in enumerate(SENTENCES):
        for beam_size in (1, 3):
            settings = SearchSettings(beam_size=beam_size, n_best=beam_size)
            loop.add([sentence], settings, [(ticket, beam_size)], wants_attention)
        step()
    loop.drop((2, 3))
    while loop.active:
        step()
    return results


@pytest.mark.parametrize("wants_attention", [False, True])
def test_it_finds_the_same(pair: tuple[TranslationPredictor, TranslationPredictor], wants_attention: bool) -> None:
    host, device = pair
    expected = _decode(host, wants_attention=wants_attention)
    found = _decode(device, wants_attention=wants_attention)
    assert found.keys() == expected.keys()
    assert len(found) >= 2 * len(SENTENCES) - 1
    for ticket, hypotheses in expected.items():
        assert [one.tokens for one in found[ticket]] == [one.tokens for one in hypotheses]
        np.testing.assert_allclose([one.score for one in found[ticket]], [one.score for one in hypotheses], atol=1e-6)
        for one, other in zip(hypotheses, found[ticket], strict=True):
            assert (one.attention is None) == (other.attention is None)
            if one.attention is not None:
                np.testing.assert_allclose(other.attention, one.attention, atol=1e-6)


def test_only_the_candidates_come_back(
    pair: tuple[TranslationPredictor, TranslationPredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs: dict[str, set[str]] = {}
    run = OnnxSession.run_on_device

    def recording(self: OnnxSession, feeds: Any, keep: Any) -> Any:
        result = run(self, feeds, keep)
        for name, array in result.items():
            outputs.setdefault("device" if isinstance(array, DeviceArray) else "host", set()).add(name)
        return result

    monkeypatch.setattr(OnnxSession, "run_on_device", recording)
    _, device = pair
    _decode(device)
    attention = {MEMORY, KEYS} if device.attention else set()
    assert outputs["device"] == {STATE, NEXT_STATE} | attention
    assert outputs["host"] == {LOG_PROBS, CANDIDATES} | ({ATTENTION} if device.attention else set())


def test_the_samples_are_answered_as_stored(pair: tuple[TranslationPredictor, TranslationPredictor]) -> None:
    assert list(pair[1].replay()) == []


def test_graphs_on_different_devices_pass_arrays_through_the_process(
    pair: tuple[TranslationPredictor, TranslationPredictor],
) -> None:
    _, device = pair
    device.sessions[STEP].device = Device("cpu", 1)  # type: ignore[misc]
    assert device._parts.graphs == (device.sessions[ENCODER].run, device.sessions[STEP].run)


def test_a_run_on_a_device_ends_at_its_deadline(pair: tuple[TranslationPredictor, TranslationPredictor]) -> None:
    with stop_at(0.0), pytest.raises(DeadlineExceeded):
        _decode(pair[1])
