"""Export of a run as a bundle: parity, samples, model card, manifest, refusals."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx.external_data_helper import ExternalDataInfo, set_external_data, uses_external_data

from service.bundle.files import BundleError, read_bundle
from service.bundle.manifest import Task
from service.runtime.session import OnnxSession
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.language_detection import Profile
from service.tasks.translation.text import TranslationPreprocessing, Truecaser
from tests.support import sentence_pairs
from training.common.config import merge, to_dict
from training.common.errors import CheckpointError, ExportError
from training.common.run import Run
from training.common.samples import SampleAnswers
from training.common.shared_weights import SHARED_FILE
from training.seq2seq.config import FAMILY, PRESETS, TranslatorConfig
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.sources import ATTRIBUTIONS
from training.seq2seq.evaluate import evaluate
from training.seq2seq.export import parity as parity_module
from training.seq2seq.export.bundle import WEIGHTS, Exported, export
from training.seq2seq.export.parity import Parity, check_parity
from training.seq2seq.train import train
from training.seq2seq.translator import load_translator

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
Trained = tuple[Run, TranslatorConfig, ParallelData]

KINDS: dict[str, dict[str, Any]] = {
    "joint": {"phrases": 0.2, "placeholders": 0.1},
    "separate": {"joint": False, "tied": "none", "attention": "none", "cell": "gru"},
}


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run with its settings and data."""
    changes = {
        "epochs": 3, "data": "", "train": "/somewhere/private/made.en,/somewhere/private/made.de", "source": "en",
        "target": "de", "vocabulary": 45, "precision": "fp32", "learning_rate": 0.01, "batch_tokens": 200,
    }  # fmt: skip
    config = merge(PRESETS["debug"], changes | KINDS[request.param])
    data = sentence_pairs.data(150)
    run = Run.create(tmp_path_factory.mktemp("translator") / "run", family=FAMILY, config=to_dict(config))
    train(config, data, run, CPU)
    run.close()
    return run, config, data


def exported(trained: Trained, repository: Path, **changes: Any) -> Exported:
    run, config, data = trained
    options = {"name": "made", "repository": repository, "licence": None, "description": "", "weights": "int8"}
    return export(run, config, data, **options | changes)


@pytest.fixture(scope="module")
def first(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Version 1 of the run's bundle, with int8 weights."""
    return exported(trained, tmp_path_factory.mktemp("first"))


one_kind = pytest.mark.parametrize("trained", ["joint"], indirect=True)
"""For what does not depend on the network."""


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_bundle_is_whole_and_its_samples_replay(
    trained: Trained, first: Exported, tmp_path: Path, weights: str
) -> None:
    done = first if weights == "int8" else exported(trained, tmp_path, weights=weights)
    bundle, joint = read_bundle(done.bundle.path), trained[1].subwords.joint
    manifest = bundle.manifest
    assert manifest.task is Task.TRANSLATION
    assert set(manifest.graphs) == {"encoder", "step"}
    settings = TranslationPreprocessing.model_validate(manifest.preprocessing)
    assert (settings.source, settings.target, settings.beam_size) == ("en", "de", 5)
    assert SHARED_FILE in manifest.files
    assert {"pieces.model"} <= set(manifest.files) if joint else {"source.model", "target.model"} <= set(manifest.files)
    assert Profile.read(bundle.file(settings.profile).read_bytes()).language == "en"
    samples = json.loads(bundle.file("samples.json").read_bytes())["samples"]
    assert {key for sample in samples for key in sample["request"]} >= {
        "text",
        "texts",
        "source",
        "target",
        "beam_size",
    }
    assert samples[1]["results"][-1] == {"text": " \n", "score": None, "alternatives": []}
    assert ("alignment" in samples[-1]["request"]) == joint
    answers = SampleAnswers(bundle)
    assert not list(answers.predictor.replay())
    word, *rest = trained[2].splits["dev"][0].source.split()
    (tagged,) = answers.answer({"text": " ".join([f"<b>{word}</b>", *rest])})
    (plain,) = answers.answer({"text": " ".join([word, *rest])})
    assert tagged["text"].count("<b>") == tagged["text"].count("</b>") == 1
    # With attention the sentence is translated as a whole.
    assert (re.sub("</?b>", "", tagged["text"]) == plain["text"]) or not joint
    report = done.report()
    assert f"weights as {weights}" in report
    assert str(bundle.path) in report
    assert " MB" in report


def test_manifest_and_card(trained: Trained, tmp_path: Path) -> None:
    shared, config, data = trained
    # What is evaluated decides how later exports search.
    shutil.copytree(shared.path, tmp_path / "run")
    run = Run.open(tmp_path / "run", family=FAMILY)
    evaluate(run, config, data, "dev", CPU, beam_size=2, length_penalty=0.7, coverage_penalty=0.1)
    evaluate(run, config, data, "test", CPU, beam_size=2)
    exported((run, config, data), tmp_path, licence="CC-BY-4.0", description="Made up")
    bundle = read_bundle(tmp_path / "made" / "1")
    manifest = bundle.manifest
    stored = json.loads((run.path / "evaluation.json").read_text())
    metrics = [metric for metric in manifest.metrics if metric.data.startswith("made, test, ")]
    assert [metric.name for metric in metrics] == ["BLEU", "BLEU, lower case", "chrF2", "BLEU"]
    assert metrics[0].value == stored["test"]["bleu"]
    assert "tok:13a" in metrics[0].data
    assert "beam 2" in metrics[0].data
    assert "without a near-duplicate" in metrics[3].data
    everyday = manifest.metrics[-2:]
    assert [metric.name for metric in everyday] == ["everyday sentences", "names, numbers and dates"]
    assert re.fullmatch(r"everyday sentences, test, \d+ of 160 that pass all checks", everyday[0].data)
    # The search is that of the evaluation on dev.
    preprocessing = manifest.preprocessing
    assert [preprocessing[key] for key in ("beam_size", "length_penalty", "coverage_penalty")] == [2, 0.7, 0.1]
    assert preprocessing["copies"] == bool(config.placeholders)
    truecaser = Truecaser.read(bundle.file(preprocessing["capitals"]).read_bytes())
    assert "house" in truecaser.lowercase_words
    assert manifest.provenance.licence == "CC-BY-4.0"
    assert manifest.provenance.attribution == "nobody"
    assert manifest.provenance.config["weights"] == "int8"
    assert "/somewhere" not in manifest.model_dump_json()
    assert '"train":"made.en,made.de"' in manifest.model_dump_json()
    card = bundle.model_card()
    for part in ("Made up", "CC-BY-4.0", "nobody", "from `en` to `de`", "beam 2, length penalty 0.7", "may still be"):
        assert part in card
    for augmentation in ("with a placeholder for a word", "extracted by word alignment"):
        assert (augmentation in card) == bool(config.placeholders)
    rows = [line for line in card.splitlines() if line.startswith("| BLEU ")]
    assert rows
    assert all(line.replace("\\|", "").count("|") == 4 for line in rows)


@one_kind
def test_versions_count_up(trained: Trained, first: Exported) -> None:
    second = exported(trained, first.bundle.path.parent.parent)
    assert [first.bundle.path.name, second.bundle.path.name] == ["1", "2"]


@one_kind
def test_graphs_that_lose_bleu_are_not_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity_module, "MAX_BLEU_LOSS", -200.0)
    with pytest.raises(ExportError, match=r"cost .* BLEU on .* dev sentences .*; nothing was written\. Export with"):
        exported(trained, tmp_path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("sentences", "max_loss"), [(2_000, 0.3), (8_000, 0.3), (500, 0.6), (20, 3.0)])
def test_more_bleu_may_be_lost_on_few_sentences(sentences: int, max_loss: float) -> None:
    parity = Parity(
        sentences=sentences, beam_size=5, max_difference=0, mean_difference=0, batch_difference=0,
        changed_translations=1, pytorch_bleu=30, graph_bleu=29, sentences_per_second=1,
    )  # fmt: skip
    assert parity.max_loss == pytest.approx(max_loss)


@one_kind
def test_float32_graphs_that_differ_from_pytorch_are_refused(trained: Trained, tmp_path: Path) -> None:
    predictor = SampleAnswers(exported(trained, tmp_path, weights="fp32").bundle).predictor
    assert isinstance(predictor, TranslationPredictor)
    run, _, data = trained
    translator = load_translator(run)
    check_parity(translator, predictor, data, "fp32")
    with torch.no_grad():
        translator.network.output.bias[5] += 0.1
    with pytest.raises(ExportError, match="the ONNX graphs differ from PyTorch"):
        check_parity(translator, predictor, data, "fp32")


@one_kind
def test_unpublishable_data_and_lower_case_are_refused(trained: Trained, tmp_path: Path) -> None:
    run, config, data = trained
    restricted = replace(data, name="Multi30k", licence="CC-BY-NC-SA-4.0", redistributable=False)
    with pytest.raises(ExportError, match=r"Multi30k is CC-BY-NC-SA-4\.0: a model trained on it may be evaluated"):
        exported((run, config, restricted), tmp_path)
    lower = merge(config, {"lower_case": True})
    with pytest.raises(ExportError, match="--lower-case"):
        exported((run, lower, data), tmp_path)
    assert not list(tmp_path.iterdir())


@one_kind
def test_initial_runs_are_attributed_and_checked(trained: Trained, tmp_path: Path) -> None:
    run, config, data = trained
    earlier = {name: merge(config, {"data": name, "train": "", "source": "", "target": ""}) for name in _NAMED}
    for name, settings in earlier.items():
        Run.create(tmp_path / name.partition(":")[0], family=FAMILY, config=to_dict(settings)).close()
    tatoeba = merge(config, {"init": str(tmp_path / "tatoeba")})
    exported((run, tatoeba, data), tmp_path / "models")
    bundle = read_bundle(tmp_path / "models" / "made" / "1")
    assert bundle.manifest.provenance.attribution == f"nobody; {ATTRIBUTIONS['tatoeba']}"
    assert str(tmp_path) not in bundle.manifest.model_dump_json()
    assert [one["data"]["data"] for one in bundle.manifest.provenance.config["begun_with"]] == ["tatoeba:eng-deu"]
    assert "Initialized from the weights of the run `tatoeba`" in bundle.file("MODEL_CARD.md").read_text()
    for folder, message in (
        (
            "multi30k",
            "the run was initialized from multi30k, which was trained on multi30k:en-de: a model trained on it "
            "may be evaluated but not redistributed",
        ),
        ("absent", "absent, which cannot be read"),
    ):
        with pytest.raises(ExportError, match=message):
            exported((run, merge(config, {"init": str(tmp_path / folder)}), data), tmp_path / "none")
    assert not (tmp_path / "none").exists()


_NAMED = ("tatoeba:eng-deu", "multi30k:en-de")


@one_kind
def test_a_run_without_weights_cannot_be_exported(trained: Trained, tmp_path: Path) -> None:
    _, config, data = trained
    run = Run.create(tmp_path / "empty", family=FAMILY, config=to_dict(config))
    run.close()
    with pytest.raises(CheckpointError):
        exported((run, config, data), tmp_path / "models")


def test_the_shared_file_is_verified_and_links_to_the_outside_are_refused(
    trained: Trained, first: Exported, tmp_path: Path
) -> None:
    path = tmp_path / "made" / "1"
    shutil.copytree(first.bundle.path, path)
    shared, content = path / SHARED_FILE, (path / SHARED_FILE).read_bytes()
    shared.write_bytes(content[:-1] + b"\0")
    with pytest.raises(BundleError, match=r"weights\.bin: sha256 is"):
        read_bundle(path)
    shared.unlink()
    with pytest.raises(BundleError, match=r"weights\.bin: is missing"):
        read_bundle(path)
    shared.write_bytes(content)
    outside = tmp_path / "outside.bin"
    outside.write_bytes(content)
    bundle = read_bundle(path)
    for location in ("../../outside.bin", str(outside)):
        model = onnx.load(str(path / "step.onnx"), load_external_data=False)
        for constant in model.graph.initializer:
            if uses_external_data(constant):
                where = ExternalDataInfo(constant)
                constant.raw_data = b"\0" * where.length
                set_external_data(constant, location, offset=where.offset, length=where.length)
                constant.ClearField("raw_data")
        (path / "step.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(BundleError, match="onnxruntime cannot load it"):
            OnnxSession(path / "step.onnx", bundle.manifest.graphs["step"], providers=["CPUExecutionProvider"])
