"""Runs that begin with an exported bundle: its weights come back, and every other kind of folder is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from service.bundle.files import MANIFEST, read_bundle, versions
from service.decoding import SearchSettings
from service.runtime.stepper import HYPOTHESES, JOBS, Job
from service.tasks.tensors import object_array
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.subwords import BEGIN
from tests.support import sentence_pairs
from tests.support.classifier_bundles import write_classifier
from tests.support.predictors import open_predictor
from tests.support.translator_networks import KINDS, build_network
from training.common.config import merge, to_dict
from training.common.errors import ConfigError
from training.common.run import Run
from training.seq2seq.cli import FAMILY as COMMANDS
from training.seq2seq.config import FAMILY, PRESETS, TranslatorConfig
from training.seq2seq.data.licensing import attribution_of, earlier_settings, public_config
from training.seq2seq.export.bundle import WEIGHTS, export
from training.seq2seq.export.dequantize import load_graph_weights
from training.seq2seq.export.graph import FILES, build_graphs
from training.seq2seq.export.quantize import Weights
from training.seq2seq.initialization import initial_config, load_initial, read_initial
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.search import search
from training.seq2seq.train import train
from training.seq2seq.translator import load_translator

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
SHIPPED = Path(__file__).parents[3] / "models"


def constants(content: bytes, folder: Path) -> dict[str, Any]:
    """The constants of a graph whose shared file lies in the folder."""
    path = folder / "graph.onnx"
    path.write_bytes(content)
    return {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_of_graphs_come_back(kind: str, weights: Weights, tmp_path: Path) -> None:
    network = build_network(kind, spread=0.3)
    _, files = build_graphs(network, weights)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    again = build_network(kind, seed=5)
    load_graph_weights(again, *(tmp_path / name for name in FILES.values()))
    _, exported = build_graphs(again, weights)
    assert exported.keys() == files.keys()
    for name in FILES.values():
        before, after = (constants(content[name], tmp_path) for content in (files, exported))
        assert before.keys() == after.keys()
        for constant, values in before.items():
            if values.dtype == np.int8:
                assert np.array_equal(values, after[constant]), constant
            else:
                np.testing.assert_allclose(after[constant], values, rtol=1e-6, atol=1e-7, err_msg=constant)


def settings(**changes: Any) -> TranslatorConfig:
    made = {
        "epochs": 3, "data": "", "train": "made", "source": "en", "target": "de", "vocabulary": 60, "precision": "fp32",
        "learning_rate": 0.01, "batch_tokens": 200,
    }  # fmt: skip
    return merge(PRESETS["debug"], made | changes)


def trained(path: Path, config: TranslatorConfig) -> Run:
    run = Run.create(path, family=FAMILY, config=to_dict(config))
    try:
        train(config, sentence_pairs.data(150), run, CPU)
    finally:
        run.close()
    return run


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    config = settings(placeholders=0.1, phrases=0.2)
    run = trained(folder / "first", config)
    data = sentence_pairs.data(150)
    options: dict[str, Any] = {"repository": folder, "licence": None, "description": "", "weights": "int8"}
    export(run, config, data, name="made", **options)
    shutil.rmtree(run.path)
    return folder / "made" / "1"


def begun(path: Path, bundle: Path, **changes: Any) -> tuple[Run, TranslatorConfig]:
    config = settings(**{"init": str(bundle), "epochs": 1, "average": 1, "learning_rate": 1e-12, **changes})
    return trained(path / "second", config), config


def test_a_run_goes_on_with_a_bundle(bundle: Path, tmp_path: Path) -> None:
    run, config = begun(tmp_path, bundle, placeholders=0.1, phrases=0.2)
    translator, predictor = load_translator(run), open_predictor(TranslationPredictor, read_bundle(bundle))
    sources = [translator.encode(pair.source) for pair in sentence_pairs.data(150).splits["dev"]]
    search_settings = SearchSettings(beam_size=1)
    jobs = object_array([Job(source, search_settings) for source in sources])
    served = predictor.infer({JOBS: jobs})[HYPOTHESES].tolist()
    ours = search(translator.network, sources, search_settings)
    assert sum(one[0].tokens != other[0].tokens for one, other in zip(served, ours, strict=True)) <= 1
    assert (run.path / "pieces.model").read_bytes() == (bundle / "pieces.model").read_bytes()
    # The second export names where it comes from, and its graphs have the same integers.
    data = sentence_pairs.data(150)
    options: dict[str, Any] = {"repository": tmp_path, "licence": None, "description": "", "weights": "int8"}
    second = export(run, config, data, name="made", **options).bundle
    assert second.manifest.provenance.config["init"] == "made/1"
    assert len(second.manifest.provenance.config["begun_with"]) == 1
    assert "Initialized from the weights of `made/1`" in second.model_card()
    for name in FILES.values():
        before, after = (onnx.load(path / name).graph.initializer for path in (bundle, second.path))
        for one, other in zip(before, after, strict=True):
            left, right = numpy_helper.to_array(one), numpy_helper.to_array(other)
            assert left.dtype != np.int8 or np.abs(left.astype(int) - right).max() <= 1


def test_what_a_bundle_was_initialized_from_stays_named(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "made" / "1"
    shutil.copytree(bundle, copy)
    manifest = json.loads((copy / MANIFEST).read_text())
    origin = manifest["provenance"]["config"]
    manifest["provenance"]["config"] |= {"init": "first", "begun_with": [{**origin, "init": "", "epochs": 7}]}
    for key in ("epoch", "weights"):
        del manifest["provenance"]["config"]["begun_with"][0][key]
    manifest["provenance"]["attribution"] = "somebody"
    (copy / MANIFEST).write_text(json.dumps(manifest))
    config = settings(init=str(copy))
    assert [(name, one.epochs) for name, one in earlier_settings(config)] == [("made/1", 3), ("first", 7)]
    assert [one["init"] for one in public_config(config)["begun_with"]] == ["first", ""]
    assert attribution_of(config, sentence_pairs.data(60)) == "nobody; somebody"


def test_options_take_the_settings_of_a_bundle(bundle: Path) -> None:
    config = COMMANDS.settings(PRESETS["default"], {"init": str(bundle), "epochs": 2})
    assert (config.network, config.subwords) == (initial_config(str(bundle)).network, settings().subwords)
    assert config.epochs == 2


@pytest.mark.parametrize(
    ("earlier", "added"),
    [
        ({}, {"encoder_residual": True}),
        ({"cell": "gru", "bidirectional": False}, {"encoder_residual": True}),
        ({"encoder_layers": 2, "encoder_residual": True}, {}),
        ({"encoder_layers": 2, "residual": True}, {}),
        ({"residual": True}, {"encoder_residual": True}),
    ],
    ids=str,
)
def test_added_encoder_layers_change_nothing_before_they_learn(
    earlier: dict[str, Any], added: dict[str, Any], tmp_path: Path
) -> None:
    run = trained(tmp_path / "first", settings(**earlier))
    deep = settings(**{**earlier, **added, "init": str(run.path), "encoder_layers": 3})
    before, data = load_translator(run), sentence_pairs.data(150)
    network = Seq2Seq(deep, before.source.size, before.target.size).eval()
    assert load_initial(deep.init, network, data, deep)
    source = torch.tensor([before.encode("the big house")])
    lengths, target = torch.tensor([source.shape[1]]), torch.tensor([[BEGIN, 5, 6]])
    assert torch.equal(network(source, lengths, target), before.network.eval()(source, lengths, target))
    network(source, lengths, target).sum().backward()
    for layer in (*network.encoder.backwards, *network.encoder.forwards):
        gradient = layer.weights.weight_ih_l0.grad
        assert gradient is not None
        assert gradient.abs().max() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 32}, "that bundle has another network; .*hidden was 64, is 32"),
        ({"encoder_layers": 2}, "that bundle has another network; .*encoder_layers was 1, is 2"),
        ({"residual": True, "encoder_layers": 2}, "that bundle has another network; .*residual was False, is True"),
        ({"attention": "dot"}, "that bundle has another network; .*attention was general, is dot"),
        ({"joint": False, "tied": "none"}, "has no (source|target).model to go on with"),
    ],
)
def test_another_network_is_refused(bundle: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"--init {bundle}: {message}"):
        begun(tmp_path, bundle, **changes)


def edited(bundle: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a bundle with other settings in its provenance."""
    copy = folder / "made" / "1"
    shutil.copytree(bundle, copy)
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["provenance"]["config"] |= changes
    (copy / MANIFEST).write_text(json.dumps(manifest))
    return copy


class TestRefused:
    """Folders that no run can begin with."""

    def test_a_model_of_another_task(self, tmp_path: Path) -> None:
        write_classifier(tmp_path)
        (folder,) = tmp_path.glob("*/1")
        with pytest.raises(ConfigError, match=r"is a bundle of the task .*, not a translator"):
            initial_config(str(folder))

    def test_a_models_folder_without_its_version(self, bundle: Path) -> None:
        with pytest.raises(ConfigError, match=f"is a model; name one of its versions: {bundle}"):
            initial_config(str(bundle.parent))

    def test_an_altered_bundle(self, bundle: Path, tmp_path: Path) -> None:
        copy = edited(bundle, tmp_path)
        (copy / "step.onnx").write_bytes(b"other")
        with pytest.raises(ConfigError, match=r"step.onnx: sha256 is .* copy the bundle again"):
            read_initial(str(copy))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"network": {"wings": 2}}, "unknown setting wings"),
            ({"network": 3}, "are not those of a translator"),
            ({"unheard": 1}, "unknown setting unheard"),
        ],
        ids=str,
    )
    def test_settings_of_another_program(
        self, bundle: Path, tmp_path: Path, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            read_initial(str(edited(bundle, tmp_path, **changes)))

    def test_settings_that_do_not_fit_the_graphs(self, bundle: Path, tmp_path: Path) -> None:
        network = to_dict(settings().network)
        with pytest.raises(ConfigError, match=r"has the shape .* the manifest is of another network"):
            read_initial(str(edited(bundle, tmp_path, network=network | {"hidden": 32})))
        shutil.rmtree(tmp_path / "made")
        with pytest.raises(ConfigError, match=r"has no constant .* written by another program"):
            read_initial(str(edited(bundle, tmp_path, network=network | {"layer_norm": True})))


def test_the_shipped_translator_answers_as_before() -> None:
    """Its network, read back, translates as its graphs do."""
    folder = SHIPPED / "translate-en-de" / str(versions(SHIPPED / "translate-en-de")[-1])
    initial, predictor = read_initial(str(folder)), open_predictor(TranslationPredictor, read_bundle(folder))
    subwords = predictor._parts.source
    network = Seq2Seq(initial.config, subwords.size, subwords.size).eval()
    network.load_state_dict(initial.weights)
    texts = ["Where is the nearest station?", "I have two brothers and a sister.", "He did not come.", "Good morning."]
    sources = [subwords.encode(text) for text in texts]
    jobs = object_array([Job(source, SearchSettings(beam_size=1)) for source in sources])
    served = predictor.infer({JOBS: jobs})[HYPOTHESES].tolist()
    ours = search(network, sources, SearchSettings(beam_size=1))
    assert [one[0].tokens for one in ours] == [one[0].tokens for one in served]
