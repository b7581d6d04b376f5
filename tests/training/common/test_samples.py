"""Samples are the answers of the predictor that serves, and only those that noise cannot change are stable."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import JsonValue

from service.bundle.files import Bundle
from service.errors import InvalidRequest
from tests.support.classifier_bundles import template, write_classifier
from tests.support.classify_requests import pixels
from training.common.samples import Noise, SampleAnswers

pytestmark = pytest.mark.torch

NOISE = Noise(output="probabilities", amplitude=0.02, seeds=6)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_classifier(tmp_path_factory.mktemp("models"))


def _between(left: int, right: int, share: float) -> dict[str, JsonValue]:
    """A request with one image between two digits."""
    image = (1 - share) * template(left) + share * template(right)
    return {"pixels": [image.tolist()], "top_k": 1}


def test_a_sample_is_answered_as_the_bundle_says(bundle: Bundle) -> None:
    answers = SampleAnswers(bundle)
    for stored in bundle.samples():
        assert answers.sample(stored.request, stored.route).results == stored.results
    sample = answers.sample(pixels(3), "/v1/classify")
    assert (sample.route, sample.request) == ("/v1/classify", pixels(3))
    with pytest.raises(InvalidRequest, match="pixels"):
        answers.answer({"pixels": []})


def test_only_an_answer_that_noise_cannot_change_is_stable(bundle: Bundle) -> None:
    answers = SampleAnswers(bundle, NOISE)
    clear, unclear = _between(3, 7, 0.0), _between(3, 7, 0.5)
    before = answers.answer(clear), answers.answer(unclear)
    assert answers.is_stable(clear)
    assert not answers.is_stable(unclear)
    assert (answers.answer(clear), answers.answer(unclear)) == before


def test_noise_is_the_same_for_the_same_seed_and_of_the_amplitude(bundle: Bundle) -> None:
    answers = SampleAnswers(bundle, NOISE)
    clean = answers.answer(_between(3, 7, 0.0))[0]["predictions"][0]["score"]
    first, repeated, different = (
        answers._perturbed_answer(_between(3, 7, 0.0), None, seed)[0]["predictions"][0]["score"] for seed in (0, 0, 1)
    )
    assert first == repeated != different
    assert 0 < abs(first - clean) <= NOISE.amplitude + 1e-6


def test_outputs_of_another_name_get_no_noise(bundle: Bundle) -> None:
    answers = SampleAnswers(bundle, Noise(output="emissions", amplitude=100, seeds=2))
    assert answers.is_stable(_between(3, 7, 0.5))
    image = np.zeros((1, 1, 28, 28), np.float32)
    assert answers.predictor.sessions["model"].run({"image": image})["probabilities"].shape == (1, 10)
