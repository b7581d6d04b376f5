"""`lectern-train bilstm_crf quantize`: the same tags from integer products, or nothing is written."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.bundle.comparison import differences
from service.bundle.files import Bundle, read_bundle
from tests.support import tagged_sentences
from training.__main__ import main
from training.bilstm_crf import quantize as module
from training.bilstm_crf.config import FAMILY, PRESETS, stored_config
from training.bilstm_crf.export.bundle import export
from training.bilstm_crf.export.dequantize import tagger_of_bundle
from training.bilstm_crf.quantize import quantize
from training.bilstm_crf.tagger import load_tagger
from training.bilstm_crf.train import train
from training.common.config import merge, to_dict
from training.common.errors import ConfigError, ExportError
from training.common.onnx_models import read_model
from training.common.run import Run
from training.common.samples import SampleAnswers

pytestmark = pytest.mark.torch

SETTINGS = {"epochs": 4, "data": "", "train": "made.conllu", "hidden": 8, "learning_rate": 0.02}
TEXTS = ["Ada met Bob in Paris.", "The cat sat on the mat.", "Who lives in London?"]


@pytest.fixture(
    scope="module",
    params=[("tags", "cnn", "fp32"), ("spans", "bilstm", "int8-stored"), ("tags", "cnn+bilstm", "fp16")],
    ids=lambda param: param[1],
)
def run_and_bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Bundle]:
    """A trained run, and its bundle that computes in float32."""
    kind, characters, weights = request.param
    rank = 2 if characters == "cnn+bilstm" else 0
    config = merge(PRESETS["debug"], {**SETTINGS, "characters": characters, "transition_rank": rank})
    data: Any = tagged_sentences.data(kind)
    folder = tmp_path_factory.mktemp("quantize")
    run = Run.create(folder / "run", family=FAMILY, config=to_dict(config))
    train(config, data, run, torch.device("cpu"))
    run.close()
    exported = export(
        run, config, data, name="made", repository=folder / "models", licence=None, description="", weights=weights
    )
    return run, exported.bundle


def test_weights_are_read_back_as_they_were_stored(run_and_bundle: tuple[Run, Bundle]) -> None:
    run, bundle = run_and_bundle
    tagger, restored = load_tagger(run), tagger_of_bundle(bundle)
    sentences = [["The", "cat", "sat"], ["Ada", "unforeseeable", "!"]]
    tolerance = {"fp32": 1e-5, "fp16": 1e-3, "int8-stored": 0.2}[str(bundle.manifest.provenance.config["weights"])]
    np.testing.assert_allclose(restored.emissions(sentences)[0], tagger.emissions(sentences)[0], atol=tolerance)
    if tagger.network.crf is not None:
        np.testing.assert_array_equal(restored.transitions(), tagger.transitions())


def test_the_card_names_the_layers(run_and_bundle: tuple[Run, Bundle]) -> None:
    run, bundle = run_and_bundle
    layers, bilstm = "casing, 1 BiLSTM layer of 2 x 8 units, linear-chain CRF", "a character BiLSTM of 8 units"
    described = {
        "cnn": f"8 filters over characters, {layers} |",
        "bilstm": f"{bilstm}, {layers} |",
        "cnn+bilstm": f"8 filters over characters, {bilstm}, {layers} with transitions of rank 2 |",
    }
    assert f", {described[stored_config(run).network.characters]}" in bundle.model_card()


def test_bundles_of_earlier_releases_name_the_table_of_characters_otherwise(
    run_and_bundle: tuple[Run, Bundle], tmp_path: Path
) -> None:
    run, bundle = run_and_bundle
    if stored_config(run).network.characters != "bilstm":
        return
    copy = read_bundle(shutil.copytree(bundle.path, tmp_path / "made" / "1"))
    graph = read_model(copy.file("model.onnx"))
    (table,) = (constant for constant in graph.graph.initializer if constant.name == "spelling_letters")
    table.name = "letters"
    copy.file("model.onnx").write_bytes(graph.SerializeToString())
    sentences = [["The", "cat", "sat"]]
    expected, _ = tagger_of_bundle(bundle).emissions(sentences)
    np.testing.assert_array_equal(tagger_of_bundle(copy).emissions(sentences)[0], expected)


def test_a_quantized_bundle_answers_its_samples_and_tags_as_before(
    run_and_bundle: tuple[Run, Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bundle = run_and_bundle
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS), encoding="utf-8")
    command = ["bilstm_crf", "quantize", str(bundle.path), "--text", str(texts), "--models", str(tmp_path / "models")]
    assert main(command) == 0
    quantized = read_bundle(tmp_path / "models" / "made" / "1")
    output = capsys.readouterr().out
    assert "0 of " in output
    assert str(quantized.path) in output
    manifest = quantized.manifest
    assert set(manifest.graphs) == {"model", "words"}
    assert manifest.metrics == bundle.manifest.metrics
    assert manifest.provenance.config["weights"] == "int8"
    assert manifest.provenance.config["quantized_from"] == "made/1"
    card = quantized.model_card()
    assert "| Weights | int8, multiplied in integers; made from version 1, of whose tags 0 of " in card
    answers = SampleAnswers(quantized)
    for sample in quantized.samples():
        assert not list(differences(sample.results, answers.answer(sample.request), manifest.comparison))


def test_nothing_is_written_where_tags_change(
    run_and_bundle: tuple[Run, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_tagger(bundle: Bundle) -> Any:
        tagger = tagger_of_bundle(bundle)
        with torch.no_grad():
            tagger.network.output.weight.neg_()
        return tagger

    monkeypatch.setattr(module, "tagger_of_bundle", other_tagger)
    with pytest.raises(ExportError, match=r"tags change, the limit is 0\.1%; nothing was written"):
        quantize(run_and_bundle[1], tmp_path, TEXTS)
    assert not list(tmp_path.iterdir())


def test_a_bundle_that_multiplies_integers_already_is_refused(
    run_and_bundle: tuple[Run, Bundle], tmp_path: Path
) -> None:
    quantized, _ = quantize(run_and_bundle[1], tmp_path, TEXTS)
    with pytest.raises(ConfigError, match="computes in integers, which cannot be undone; name an earlier version"):
        quantize(quantized, tmp_path, TEXTS)


def test_what_is_no_tagger_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("A text.", encoding="utf-8")
    assert main(["bilstm_crf", "quantize", str(tmp_path), "--text", str(texts)]) == 2
    assert "name the folder of a version, such as models/pos-xx/1" in capsys.readouterr().err
