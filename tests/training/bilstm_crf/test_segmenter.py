"""The learned tokenizer: labels, training, resuming, scores, export, and the options of the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from service.bundle.files import read_bundle
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks.token_classification import TokenClassificationPredictor
from service.tasks.token_classification.segmentation import segment_by_rules
from service.tasks.token_classification.segmentation_characters import END_OF_SENTENCE, CharacterIds
from tests.support import tagged_sentences
from tests.support.raw_conllu import write_conllu
from training.__main__ import main
from training.bilstm_crf import train_segmenter as module
from training.bilstm_crf.config import FAMILY, DataConfig, SegmenterConfig, TaggerConfig
from training.bilstm_crf.data.dataset import RawSentence, RawToken
from training.bilstm_crf.data.segmentation_examples import UNLABELED, label_sentence
from training.bilstm_crf.data.sources import load_data
from training.bilstm_crf.segmentation import SEGMENTER, UNFINISHED, learns_segmentation, load_segmenter
from training.bilstm_crf.segmentation_scores import score_segmentation
from training.bilstm_crf.train_segmenter import train_segmenter
from training.common.config import to_dict
from training.common.errors import ConfigError
from training.common.run import Run

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
SMALL = ["--preset", "debug", "--hidden", "8", "--learning-rate", "0.02", "--threads", "1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and its bundle."""
    folder = tmp_path_factory.mktemp("small")
    file = write_conllu(folder / "small.conllu", 150, 1)
    arguments = ["bilstm_crf", "train", "--train", str(file), *SMALL, "--epochs", "3", "--tokenizer-epochs", "12"]
    assert main([*arguments, "--run", str(folder / "run"), "--name", "small", "--models", str(folder / "models")]) == 0
    return folder


@pytest.fixture(scope="module")
def predictor(trained: Path) -> TokenClassificationPredictor:
    bundle = read_bundle(trained / "models" / "small" / "1")
    return TokenClassificationPredictor(bundle, session_opener(("cpu",), 1, False), Limits())


def test_a_treebank_with_its_text_makes_a_tagger_that_cuts_by_it(
    trained: Path, predictor: TokenClassificationPredictor
) -> None:
    text = "Elsa aime l'art du train. Paul veut 10 000!"
    (result,) = predictor.answer({"text": text})["results"]
    assert [token["text"] for token in result["tokens"]] == [
        "Elsa", "aime", "l'", "art", "de", "le", "train", ".", "Paul", "veut", "10 000", "!"
    ]  # fmt: skip
    assert result["multiword"] == [{"text": "du", "start": 16, "end": 18, "tokens": [4, 5]}]
    assert [text[sentence["start"] : sentence["end"]] for sentence in result["sentences"]] == [
        "Elsa aime l'art du train.", "Paul veut 10 000!"
    ]  # fmt: skip
    assert not list(predictor.replay())


def test_the_manifest_and_the_card_name_the_tokenizer(trained: Path) -> None:
    bundle = read_bundle(trained / "models" / "small" / "1")
    preprocessing: Any = bundle.manifest.preprocessing
    assert preprocessing["tokenizer"] == "learned"
    assert preprocessing["segmentation"]["inner_spaces"] == "digits"
    assert preprocessing["segmentation"]["whole_numbers"]
    assert set(bundle.manifest.graphs) == {"model", "words", "segmenter"}
    assert bundle.file("contractions.txt").read_text() == "du\tde\tle\n"
    names = {metric.name for metric in bundle.manifest.metrics}
    assert {"F1 of tokens in raw text", "F1 of words in raw text", "F1 of tags in raw text"} <= names
    assert "a BiLSTM over characters" in bundle.file("MODEL_CARD.md").read_text()
    evaluation = json.loads((trained / "run" / "evaluation.json").read_text())["dev"]["segmentation"]
    assert evaluation["words"] > 0.9


def test_the_graph_answers_alike_alone_and_in_a_batch(predictor: TokenClassificationPredictor) -> None:
    texts = ["Paul voit l'ami du chat. " * 60, "Anna prend 7!", "", "du", "Rome\n\nOslo aime l'art."]
    together = predictor.answer({"texts": texts})["results"]
    alone = [predictor.answer({"text": text})["results"][0] for text in texts]
    cuts = [[(token["start"], token["end"], token["text"]) for token in result["tokens"]] for result in together]
    assert cuts == [[(token["start"], token["end"], token["text"]) for token in result["tokens"]] for result in alone]


def test_the_rules_stay_where_they_are_asked_for(tmp_path: Path) -> None:
    file = write_conllu(tmp_path / "small.conllu", 30, 2)
    arguments = ["bilstm_crf", "train", "--train", str(file), *SMALL, "--epochs", "1", "--tokenizer", "rules"]
    assert main([*arguments, "--name", "x", "--models", str(tmp_path / "models"), "--run", str(tmp_path / "run")]) == 0
    manifest = read_bundle(tmp_path / "models" / "x" / "1").manifest
    assert manifest.preprocessing["tokenizer"] == "words"
    assert "segmentation" not in manifest.preprocessing
    assert set(manifest.graphs) == {"model", "words"}


def test_which_data_a_tokenizer_is_learned_from(tmp_path: Path) -> None:
    file = write_conllu(tmp_path / "small.conllu", 20, 2)
    config = TaggerConfig(data=DataConfig(train=str(file)))
    data = load_data(config.data)
    assert learns_segmentation(config, data)
    textless = tagged_sentences.data("tags")
    assert not learns_segmentation(config, textless)
    learned = TaggerConfig(data=config.data, segmenter=SegmenterConfig(tokenizer="learned"))
    with pytest.raises(ConfigError, match=r"does not have the text of its sentences.*--tokenizer rules"):
        learns_segmentation(learned, textless)
    assert not learns_segmentation(TaggerConfig(data=DataConfig(data="ewt")), data), "English keeps its rules"


def test_labels_are_those_of_the_treebank() -> None:
    sentence = RawSentence("a du!", (RawToken(0, 1), RawToken(2, 4, ("de", "le")), RawToken(4, 5)))
    labeled = label_sentence(sentence, CharacterIds("adu! "))
    assert labeled.labels.tolist() == [1, UNLABELED, 0, 1, END_OF_SENTENCE]
    assert labeled.multiword.tolist() == [0, 0, 0, 1, 0]


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_conllu(tmp_path / "small.conllu", 40, 3)
    config = TaggerConfig(data=DataConfig(train=str(file)), segmenter=SegmenterConfig(tokenizer_epochs=3))
    data = load_data(config.data)
    runs = [Run.create(tmp_path / name, family=FAMILY, config=to_dict(config)) for name in ("whole", "parts")]
    train_segmenter(config, data, runs[0], CPU)
    with monkeypatch.context() as patch:
        patch.setattr(module, "save_checkpoint", _Interruption(module.save_checkpoint, after=1))
        with pytest.raises(KeyboardInterrupt):
            train_segmenter(config, data, runs[1], CPU)
    assert (runs[1].checkpoints / UNFINISHED).exists()
    assert not (runs[1].checkpoints / SEGMENTER).exists()
    train_segmenter(config, data, runs[1], CPU)
    one, other = (load_segmenter(run, config, data) for run in runs)
    assert one is not None
    assert other is not None
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    assert all(torch.equal(left, right) for left, right in pairs)


@pytest.mark.parametrize("epochs", [0, 1], ids=["before-its-training", "within-its-training"])
@pytest.mark.parametrize("choice", [(), ("--tokenizer", "learned")], ids=["auto", "learned"])
def test_a_run_that_was_stopped_before_its_tokenizer_was_trained_is_neither_exported_nor_evaluated(
    epochs: int,
    choice: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, run, models = write_conllu(tmp_path / "small.conllu", 40, 3), tmp_path / "run", tmp_path / "models"
    arguments = ["bilstm_crf", "train", "--train", str(file), *SMALL, "--epochs", "1", "--tokenizer-epochs", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(module, "save_checkpoint", _Interruption(module.save_checkpoint, after=epochs))
        assert main([*arguments, *choice, "--run", str(run)]) == 130
    capsys.readouterr()
    refused = (
        f"lectern-train: {run}: the tokenizer has not been trained to its end; "
        f"go on with: lectern-train bilstm_crf train --resume {run}\n"
    )
    for command in (["export", "--name", "x", "--models", str(models), "--force"], ["evaluate"]):
        assert main(["bilstm_crf", *command, "--run", str(run)]) == 2
        assert capsys.readouterr().err == refused
    assert not list(models.glob("*"))
    assert main(["bilstm_crf", "train", "--resume", str(run)]) == 0
    assert main(["bilstm_crf", "export", "--run", str(run), "--name", "x", "--models", str(models), "--force"]) == 0
    assert read_bundle(models / "x" / "1").manifest.preprocessing["tokenizer"] == "learned"


class _Interruption:
    """A function that stops the program once it was called often enough."""

    def __init__(self, function: Any, after: int) -> None:
        self._function, self._calls = function, iter(range(after))

    def __call__(self, *arguments: Any, **named: Any) -> None:
        if next(self._calls, None) is None:
            raise KeyboardInterrupt
        self._function(*arguments, **named)


def test_scores_are_those_of_the_shared_task(tmp_path: Path) -> None:
    sentences = load_data(DataConfig(train=str(write_conllu(tmp_path / "x.conllu", 20, 4)))).splits["train"]
    total = sum(len(sentence.words) for sentence in sentences)

    def gold_tags(words: Any) -> Iterator[list[str]]:
        return iter([["NOUN"] * len(sentence) for sentence in words])

    scores = score_segmentation(sentences, segment_by_rules, lambda words: list(gold_tags(words)))
    assert scores is not None
    assert 0 < scores.tags < scores.words < scores.tokens < 1
    assert scores.sentences == 1
    assert total
    assert score_segmentation(tagged_sentences.plain(3, 1), segment_by_rules, lambda words: []) is None
