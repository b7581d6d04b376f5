"""The exporters choose the requests that the shipped bundles store; the predictor answers them as stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from service.bundle.comparison import differences
from service.bundle.files import Bundle, Sample, read_bundle, versions
from training.bilstm_crf.export import samples as tagger_samples
from training.common.samples import SampleAnswers
from training.lenet.config import LenetConfig
from training.lenet.data.dataset import load_images
from training.lenet.export.bundle import digit_samples
from training.seq2seq.export import sample_requests as translator_samples
from training.word2vec.export import samples as word_samples

pytestmark = pytest.mark.torch

MODELS = Path(__file__).resolve().parents[2] / "models"
TEXTS = Path(__file__).resolve().parents[1] / "data"


def _words(bundle: Bundle) -> Sequence[Sample]:
    answers = SampleAnswers(bundle)
    return word_samples.make_samples(answers, word_samples.choose_candidates(answers))


def _tags(bundle: Bundle) -> Sequence[Sample]:
    file = TEXTS / f"tagger_texts_{bundle.manifest.name.partition('-')[2]}.txt"
    texts = tagger_samples.read_sample_texts(file) if file.is_file() else ()
    return tagger_samples.make_samples(SampleAnswers(bundle, tagger_samples.NOISE), texts)


def _translations(bundle: Bundle) -> Sequence[Sample]:
    answers = SampleAnswers(bundle, translator_samples.NOISE)
    return [answers.sample(request) for request in translator_samples.sample_requests(answers, dev=[])]


@pytest.mark.parametrize(
    ("name", "export"),
    [
        ("words-en", _words),
        ("pos-en", _tags),
        ("ner-en", _tags),
        ("pos-fr", _tags),
        ("pos-de", _tags),
        ("translate-en-de", _translations),
        ("translate-de-en", _translations),
    ],
)
def test_the_stored_samples_are_made_again(name: str, export: Callable[[Bundle], Sequence[Sample]]) -> None:
    bundle = _shipped(name)
    _check(export(bundle), bundle)


def test_the_stored_samples_of_digits_are_made_again(data_dir: Path) -> None:
    bundle = _shipped("digits")
    assert (data_dir / "mnist").is_dir()
    _check(digit_samples(SampleAnswers(bundle), load_images(LenetConfig(data="mnist"))), bundle)


def _shipped(name: str) -> Bundle:
    """The newest version of a model in models/."""
    folder = MODELS / name
    if not folder.is_dir():
        pytest.skip(f"models/ holds no {name}")
    return read_bundle(folder / str(versions(folder)[-1]))


def _check(samples: Sequence[Sample], bundle: Bundle) -> None:
    stored = bundle.samples()
    assert [(sample.route, sample.request) for sample in samples] == [
        (sample.route, sample.request) for sample in stored
    ]
    for sample, expected in zip(samples, stored, strict=True):
        assert list(differences(expected.results, sample.results, bundle.manifest.comparison)) == []
