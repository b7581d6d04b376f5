"""Export of a run as a bundle: parity, samples that replay, model card, manifest, refusals."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from service.bundle.comparison import differences
from service.bundle.files import Bundle, read_bundle
from service.bundle.manifest import Task
from service.tasks.token_classification.decoding import Tagging, joined_offsets
from service.tasks.token_classification.features import (
    TokenClassificationPreprocessing,
    WordFeatures,
    read_characters,
    read_words,
)
from service.text import words_by_sentence
from tests.support import tagged_sentences
from tests.support.onnx_graphs import open_graph
from training.bilstm_crf.config import FAMILY, PRESETS, TaggerConfig
from training.bilstm_crf.evaluate import evaluate
from training.bilstm_crf.export import bundle as module
from training.bilstm_crf.export.bundle import WEIGHTS, Exported, export, split_name
from training.bilstm_crf.export.graph import build_graph
from training.bilstm_crf.export.samples import read_sample_texts
from training.bilstm_crf.tagger import load_tagger
from training.bilstm_crf.train import train
from training.common.config import merge, to_dict
from training.common.errors import CheckpointError, ConfigError, ExportError
from training.common.run import Run

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
CONFIG = merge(
    PRESETS["debug"],
    {"epochs": 4, "data": "", "train": "/somewhere/private/made.conllu", "hidden": 8, "learning_rate": 0.02},
)


@pytest.fixture(scope="module", params=["spans", "tags", "softmax"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, TaggerConfig, Any]:
    """A run with its settings and data."""
    softmax = request.param == "softmax"
    config = merge(CONFIG, {"output": "softmax"}) if softmax else CONFIG
    data = tagged_sentences.data("spans" if softmax else request.param)
    run = Run.create(tmp_path_factory.mktemp("tagger") / "run", family=FAMILY, config=to_dict(config))
    train(config, data, run, CPU)
    run.close()
    return run, config, data


def exported(trained: tuple[Run, TaggerConfig, Any], repository: Path, **changes: Any) -> Exported:
    run, config, data = trained
    options = {"name": "made", "repository": repository, "licence": None, "description": "", "weights": "int8"}
    return export(run, config, data, **options | changes)


def replayed(bundle: Bundle, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer to a request from what is in the bundle, each sentence by itself."""
    settings = TokenClassificationPreprocessing.model_validate(bundle.manifest.preprocessing)
    features = WordFeatures(
        read_words(bundle.file(settings.vocabulary)),
        read_characters(bundle.file(settings.characters)),
        settings.max_characters,
        emoji=settings.emoji,
    )
    transitions = np.load(bundle.file(settings.transitions)) if settings.transitions else None
    tagging = Tagging(bundle.manifest.labels or (), settings.kind, transitions)
    session = open_graph(str(bundle.file("model.onnx")))
    words = open_graph(str(bundle.file("words.onnx"))) if "words" in bundle.manifest.graphs else None
    texts = request.get("texts") or ([request["text"]] if "text" in request else None)
    texts_with_offsets = (
        [(text, words_by_sentence(text)) for text in texts]
        if texts
        else [(" ".join(tokens), joined_offsets(tokens)) for tokens in request["tokens"]]
    )
    answers = []
    for text, sentences in texts_with_offsets:
        tagged = []
        for sentence in sentences:
            tokens = [text[start:end] for start, end in sentence]
            batch = features.batch([tokens])
            feeds = batch.feeds()
            if words is not None:
                (rows,) = words.run(None, features.words(tokens))
                feeds = {"features": rows[None], "lengths": batch.lengths}
            tagged += tagging.decode(session.run(None, feeds)[0], batch.lengths)
        answers.append(tagging.result(text, sentences, tagged))
    return answers


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_bundle_is_complete_and_its_samples_replay(
    trained: tuple[Run, TaggerConfig, Any], tmp_path: Path, weights: str
) -> None:
    export_result = exported(trained, tmp_path, weights=weights)
    bundle = read_bundle(tmp_path / "made" / "1")
    manifest = bundle.manifest
    assert manifest.task is Task.TOKEN_CLASSIFICATION
    assert manifest.labels == load_tagger(trained[0]).labels
    assert manifest.graphs["model"].outputs[0].shape == (-1, -1, len(manifest.labels))
    assert (manifest.preprocessing["transitions"] is None) == (trained[1].network.output == "softmax")
    assert ("transitions.npy" in manifest.files) == (trained[1].network.output == "crf")
    samples = json.loads(bundle.file("samples.json").read_bytes())["samples"]
    assert {key for sample in samples for key in sample["request"]} == {"text", "texts", "tokens"}
    for sample in samples:
        assert not list(differences(sample["results"], replayed(bundle, sample["request"]), manifest.comparison))
    report = export_result.report()
    assert f"weights as {weights}" in report
    assert str(bundle.path) in report
    assert " MB" in report


def test_what_the_manifest_and_the_card_say(trained: tuple[Run, TaggerConfig, Any], tmp_path: Path) -> None:
    run, config, data = trained
    evaluate(run, config, data, "test", CPU)
    exported(trained, tmp_path, licence="CC-BY-4.0", description="Made up")
    bundle = read_bundle(tmp_path / "made" / "1")
    manifest = bundle.manifest
    metrics = {metric.name: metric for metric in manifest.metrics if ", test, " in metric.data}
    stored = json.loads((run.path / "evaluation.json").read_text())["test"]
    if data.kind == "spans":
        assert metrics["F1"].value == stored["micro"]["f1"]
        assert {"precision", "recall", "F1 of LOC", "F1 of PER"} <= set(metrics)
    else:
        assert metrics["accuracy"].value == stored["accuracy"]
    assert any(", dev, 12 sentences, " in metric.data for metric in manifest.metrics)
    source = manifest.provenance
    assert (source.licence, source.seed, source.data) == ("CC-BY-4.0", 0, "made")
    assert source.config["weights"] == "int8"
    assert {"torch", "onnx", "onnxruntime", "python"} <= set(source.libraries)
    card = bundle.file("MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Made up" in card
    assert "of 4" in card
    for text in (card, (bundle.path / "manifest.json").read_text()):
        assert "/somewhere" not in text
        assert str(run.path) not in text


def test_only_evaluations_of_these_weights_and_sentences_count(
    trained: tuple[Run, TaggerConfig, Any], tmp_path: Path
) -> None:
    run, config, data = trained
    path = run.path / "evaluation.json"
    evaluate(run, config, data, "dev", CPU)
    evaluate(run, config, data, "test", CPU)
    stored = json.loads(path.read_text())
    stale = {
        "dev": stored["dev"] | {"epoch": 99, "accuracy": 0.125},
        "test": stored["test"] | {"data_sha256": "of another file", "accuracy": 0.125},
        "dev-lower": stored["dev"] | {"epoch": 99},
        "test-upper": stored["test"] | {"data_sha256": "of another file"},
        "gone": stored["dev"],
    }
    path.write_text(json.dumps(stale))
    metrics = exported(trained, tmp_path).bundle.manifest.metrics
    assert {metric.data.split(", ")[1] for metric in metrics} == {"dev", "test"}
    assert {split: json.loads(path.read_text())[split] for split in ("dev", "test")} == stored


def test_data_for_research_only_are_refused(trained: tuple[Run, TaggerConfig, Any], tmp_path: Path) -> None:
    run, config, data = trained
    data = replace(data, name="CoNLL-2003 English", licence="research only (Reuters text)", redistributable=False)
    with pytest.raises(
        ExportError, match=r"CoNLL-2003 English is research only.*evaluated but not redistributed.*--train"
    ):
        exported((run, config, data), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_without_weights_is_refused(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(CONFIG))
    with pytest.raises(CheckpointError):
        exported((run, CONFIG, tagged_sentences.data("tags")), tmp_path / "models")


def test_a_graph_that_differs_is_refused(
    trained: tuple[Run, TaggerConfig, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_other_graph(network: Any, weights: Any) -> bytes:
        with torch.no_grad():
            network.output.bias[0] += 0.01
            graph = build_graph(network, weights)
            network.output.bias[0] -= 0.01
        return graph

    monkeypatch.setattr(module, "build_graph", build_other_graph)
    with pytest.raises(ExportError, match=r"differs from PyTorch on the 12 dev sentences: by up to 0\.01"):
        exported(trained, tmp_path, weights="fp32")
    assert not (tmp_path / "made").exists()


def test_weights_that_cost_too_much_are_refused(
    trained: tuple[Run, TaggerConfig, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def negated(network: Any, weights: Any) -> bytes:
        with torch.no_grad():
            network.output.weight.mul_(-1)
            graph = build_graph(network, weights)
            network.output.weight.mul_(-1)
        return graph

    monkeypatch.setattr(module, "build_graph", negated)
    with pytest.raises(ExportError, match=r"as int8-stored cost .* points .*--weights fp16 or --weights fp32"):
        exported(trained, tmp_path, weights="int8-stored")
    assert not list(tmp_path.iterdir())


def test_a_graph_that_reads_padding_is_refused(
    trained: tuple[Run, TaggerConfig, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_lengths(network: Any, weights: Any) -> bytes:
        model = onnx.load_from_string(build_graph(network, weights))
        for node in model.graph.node:
            if node.op_type == "LSTM":
                node.input[4] = ""
        return bytes(model.SerializeToString())

    monkeypatch.setattr(module, "build_graph", without_lengths)
    with pytest.raises(
        ExportError, match=r"depends on the other sentences of the batch: it differs by up to .* nothing was written"
    ):
        exported(trained, tmp_path, weights="int8-stored")
    assert not list(tmp_path.iterdir())


def test_a_graph_with_nan_is_refused(
    trained: tuple[Run, TaggerConfig, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_nan(network: Any, weights: Any) -> bytes:
        with torch.no_grad():
            bias = network.output.bias.clone()
            network.output.bias[0] = torch.nan
            graph = build_graph(network, weights)
            network.output.bias.copy_(bias)
        return graph

    monkeypatch.setattr(module, "build_graph", with_nan)
    with pytest.raises(ExportError, match=r"weights stored as fp16: .*NaN.* nothing was written\. .*--weights fp32"):
        exported(trained, tmp_path, weights="fp16")
    assert not list(tmp_path.iterdir())


def test_parity_counts_changes(trained: tuple[Run, TaggerConfig, Any], tmp_path: Path) -> None:
    parity = exported(trained, tmp_path, weights="fp32").parity
    assert (parity.sentences, parity.changed_tags, parity.score_loss) == (12, 0, 0)
    assert parity.words == sum(len(sentence.words) for sentence in trained[2].splits["dev"])
    assert parity.max_difference < 1e-5
    assert parity.batch_difference < 1e-5


@pytest.mark.parametrize(
    ("split", "name"),
    [("dev", "One, dev"), ("test", "One, test"), ("test-btc", "Two, test"), ("dev-wnut17", "Three, dev")],
)
def test_splits_of_joined_sets_have_readable_names(split: str, name: str) -> None:
    config = merge(CONFIG, {"data": "uner-ewt+btc+wnut17", "train": ""})
    data = replace(tagged_sentences.data("spans"), name="One + Two + Three")
    assert split_name(split, config, data) == name


def test_own_sample_texts_and_attribution(trained: tuple[Run, TaggerConfig, Any], tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("Anna sings in Rome. Bodo runs!\n\nCora reads.\n", encoding="utf-8")
    texts = read_sample_texts(file)
    assert texts == ("Anna sings in Rome. Bodo runs!", "Cora reads.")
    exported(trained, tmp_path, sample_texts=texts, attribution="Made by someone")
    bundle = read_bundle(tmp_path / "made" / "1")
    assert bundle.manifest.provenance.attribution == "Made by someone"
    assert "Made by someone" in bundle.file("MODEL_CARD.md").read_text(encoding="utf-8")
    first, others, tokens = (sample.request for sample in bundle.samples())
    assert (first, others) == ({"text": texts[0]}, {"texts": [texts[1], " \n"]})
    assert tokens == {"tokens": [["Anna", "sings", "in", "Rome", "."], ["Cora", "reads", "."], []]}


def test_sample_texts_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--sample-texts .*none.txt: cannot be read"):
        read_sample_texts(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(ConfigError, match=r"empty.txt: is empty; it needs a text on each line"):
        read_sample_texts(tmp_path / "empty.txt")
