"""Augmentation: casing and emoji of training sentences, splits in another case, what the options do to a run."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from service.tasks.token_classification.features import EMOJI_CHARACTER, UNKNOWN_CHARACTER, WordFeatures
from tests.support import tagged_sentences
from training.bilstm_crf.config import FAMILY, PRESETS
from training.bilstm_crf.data import augmentation
from training.bilstm_crf.data.augmentation import EMOJI, Augmenter, insert_emoji, recased, with_recased
from training.bilstm_crf.data.batches import UNLABELED, Example
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.export.bundle import split_name
from training.bilstm_crf.tagger import load_tagger
from training.bilstm_crf.train import train
from training.common.config import merge, to_dict
from training.common.errors import ConfigError
from training.common.run import Run

pytestmark = pytest.mark.torch

CONFIG = merge(PRESETS["debug"], {"data": "", "train": "made.conllu", "epochs": 3, "hidden": 8, "learning_rate": 0.02})
EXAMPLE = Example(("Anna", "lives", "in", "Rome"), (0, 1, 2, 0), (3, 4, 5, 6))


def test_one_sentence_in_ten_is_in_another_case() -> None:
    random, augmenter = Random(0), Augmenter(0.1, None)
    drawn = [augmenter.augment(EXAMPLE, random) for _ in range(2000)]
    lower = sum(example.words == ("anna", "lives", "in", "rome") for example in drawn)
    upper = sum(example.words == ("ANNA", "LIVES", "IN", "ROME") for example in drawn)
    assert 60 < lower < 140
    assert 60 < upper < 140
    assert sum(example == EXAMPLE for example in drawn) == 2000 - lower - upper
    assert all(example.labels == EXAMPLE.labels for example in drawn)
    assert Augmenter(0.0, None).augment(EXAMPLE, random) == EXAMPLE


def test_an_emoji_brings_its_label_and_no_auxiliary_label() -> None:
    random = Random(0)
    for _ in range(100):
        example = insert_emoji(EXAMPLE, 9, random)
        index = example.labels.index(9)
        assert index > 0
        assert example.words[index] in EMOJI
        assert example.auxiliary[index] == UNLABELED
        rest = [[*values[:index], *values[index + 1 :]] for values in (example.words, example.labels)]
        assert rest == [list(EXAMPLE.words), list(EXAMPLE.labels)]
    assert insert_emoji(replace(EXAMPLE, auxiliary=()), 9, random).auxiliary == ()
    drawn = [Augmenter(0.0, 9).augment(EXAMPLE, random) for _ in range(1000)]
    assert 20 < sum(9 in example.labels for example in drawn) < 80


def test_unknown_emoji_are_read_alike_by_models_that_were_trained_with_them() -> None:
    characters = ("a", EMOJI_CHARACTER)
    aware, unaware = WordFeatures((), characters, 8, emoji=True), WordFeatures((), characters, 8)
    words = ["😀", "🦖", "\u263a", "李", "➜"]
    assert aware.batch([words]).characters[:, 0].tolist() == [3, 3, 3, UNKNOWN_CHARACTER, 3]
    unknown = UNKNOWN_CHARACTER
    assert unaware.batch([words]).characters[:, 0].tolist() == [unknown, unknown, 3, unknown, unknown]


def test_splits_in_another_case() -> None:
    data = tagged_sentences.data("tags")
    upper = with_recased(data, "dev-upper").splits["dev-upper"]
    assert upper[0] == Sentence(recased(data.splits["dev"][0].words, "upper"), data.splits["dev"][0].tags)
    assert with_recased(data, "test-lower").splits["test-lower"][0].words[0].islower()
    for name in ("dev", "nothing-lower", "dev-btc"):
        assert with_recased(data, name) is data
    assert split_name("dev-upper", CONFIG, data) == "made, dev in capitals"


def test_a_run_learns_emoji_and_other_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "_EMOJI_SHARE", 0.5)
    config = merge(CONFIG, {"recase": 0.3, "emoji_tag": "REST", "epochs": 6})
    data = tagged_sentences.data("tags", train=100)
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    train(config, data, run, torch.device("cpu"))
    tagger = load_tagger(run)
    assert EMOJI_CHARACTER in tagger.lexicon.characters
    words = ["anna", "sings", "in", "rome", "🦖"]
    assert tagger.tag([words])[0] == ["NAME", "VERB", "REST", "NAME", "REST"]


def test_a_tag_that_the_data_do_not_have_is_refused(tmp_path: Path) -> None:
    config = merge(CONFIG, {"emoji_tag": "SYM"})
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    with pytest.raises(ConfigError, match=r"emoji_tag is 'SYM'; the tags are NAME, REST, VERB"):
        train(config, tagged_sentences.data("tags"), run, torch.device("cpu"))
