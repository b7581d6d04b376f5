"""A trained tagger as a model bundle: graph, transitions, words, samples, model card, manifest."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import orjson
import torch
from numpy.typing import NDArray

from service.bundle.files import MODEL_CARD, SAMPLES, Bundle, write_bundle
from service.bundle.manifest import Comparison, Manifest, Metric, Task
from service.tasks.token_classification.features import (
    Kind,
    TokenClassificationPreprocessing,
    characters_file,
    words_file,
)
from training.bilstm_crf.config import TaggerConfig
from training.bilstm_crf.data.auxiliary_data import attribution, check_shippable, helping_data, public_config
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.evaluate import evaluate
from training.bilstm_crf.export.card import model_card
from training.bilstm_crf.export.graph import GRAPH_FILE, Weights, build_graph, graph_spec
from training.bilstm_crf.export.parity import OnnxTagger, Parity, check_parity
from training.bilstm_crf.export.samples import make_samples
from training.bilstm_crf.tagger import Tagger, load_tagger
from training.common.export import provenance
from training.common.run import Run

WEIGHTS: tuple[Weights, ...] = get_args(Weights)
WORDS_FILE, CHARACTERS_FILE, TRANSITIONS_FILE = "vocabulary.txt", "characters.txt", "transitions.npy"
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "torch")
_TOLERANCE = 5e-3


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote, and what storing the weights so cost."""

    bundle: Bundle
    weights: Weights
    kind: Kind
    parity: Parity

    def report(self) -> str:
        """For the terminal."""
        parity, score = self.parity, score_name(self.kind)
        sizes = {path.name: path.stat().st_size for path in sorted(self.bundle.path.iterdir())}
        files = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in sizes.items() if size >= 10_000)
        return (
            f"the graph on {parity.sentences:,} dev sentences, weights as {self.weights}: {score} {parity.graph:.2%} "
            f"(PyTorch {parity.pytorch:.2%}), {parity.changed:,} of {parity.words:,} tags differ, emissions by up to "
            f"{parity.difference:.1e}; alone or in a batch by up to {parity.batching:.1e}\n"
            f"{parity.words_per_second:,.0f} words/s through the graph alone, one thread\n"
            f"wrote {self.bundle.path}: {sum(sizes.values()) / 1e6:.2f} MB ({files})"
        )


def score_name(kind: Kind) -> str:
    """What the one figure is."""
    return "F1" if kind == "spans" else "accuracy"


def export(
    run: Run,
    config: TaggerConfig,
    data: TaggedData,
    *,
    name: str,
    repository: Path,
    licence: str | None,
    description: str,
    weights: Weights,
) -> Exported:
    """Write the run's kept weights as the next version of `name`, once the ONNX graph is shown to be as good.

    Raises:
        CheckpointError: the run has no weights yet.
        ExportError: the data do not allow it, or the graph differs; nothing is written.
    """
    helping = helping_data(config)
    check_shippable(data, helping)
    tagger = load_tagger(run)
    graph = build_graph(tagger.network, weights)
    parity = check_parity(tagger, graph, data, weights)
    evaluations = _evaluations(run, config, data, tagger.epoch)
    samples = make_samples(OnnxTagger(graph, tagger))
    transitions = tagger.transitions()
    manifest = Manifest(
        name=name,
        version=1,
        task=Task.TOKEN_CLASSIFICATION,
        description=description or _description(tagger, data),
        graphs={"model": graph_spec(len(tagger.labels))},
        labels=tagger.labels,
        preprocessing=_preprocessing(config, tagger.kind, crf=transitions is not None).model_dump(),
        metrics=_metrics(evaluations, config, data),
        provenance=provenance(
            data=data.name,
            licence=licence or data.licence,
            attribution=attribution(config, data, helping),
            config=public_config(config) | {"epoch": tagger.epoch, "weights": weights},
            seed=config.seed,
            libraries=_LIBRARIES,
        ),
        comparison=Comparison(kind="scores", tolerance=_TOLERANCE),
    )
    files: dict[str, bytes | Path] = {
        GRAPH_FILE: graph,
        WORDS_FILE: words_file(tagger.lexicon.words),
        CHARACTERS_FILE: characters_file(tagger.lexicon.characters),
        SAMPLES: orjson.dumps({"samples": samples}),
        MODEL_CARD: model_card(manifest, config, data, tagger, parity, samples).encode(),
    }
    if transitions is not None:
        files[TRANSITIONS_FILE] = _npy(transitions)
    bundle = write_bundle(repository, manifest, files)
    return Exported(bundle=bundle, weights=weights, kind=tagger.kind, parity=parity)


def _preprocessing(config: TaggerConfig, kind: Kind, *, crf: bool) -> TokenClassificationPreprocessing:
    return TokenClassificationPreprocessing(
        kind=kind,
        tokenizer="words",
        max_characters=config.network.max_characters,
        vocabulary=WORDS_FILE,
        characters=CHARACTERS_FILE,
        transitions=TRANSITIONS_FILE if crf else None,
    )


def _description(tagger: Tagger, data: TaggedData) -> str:
    if tagger.kind == "tags":
        return f"BiLSTM-CRF, trained on {data.name}: {len(tagger.labels)} tags"
    types = sorted({label[2:] for label in tagger.labels if label != "O"})
    return f"BiLSTM-CRF, trained on {data.name}: names of {', '.join(types)}"


def _evaluations(run: Run, config: TaggerConfig, data: TaggedData, epoch: int) -> dict[str, Any]:
    """The stored evaluations of the weights that are exported; the dev sentences are tagged now if they were not.

    Scores on sentences that were trained on are left out.
    """
    if run.evaluations().get("dev", {}).get("epoch") != epoch:
        evaluate(run, config, data, "dev", torch.device("cpu"))
    return {
        split: found
        for split, found in run.evaluations().items()
        if found["epoch"] == epoch and not (config.data.train_on_dev and split.partition("-")[0] == "dev")
    }


def split_name(split: str, config: TaggerConfig, data: TaggedData) -> str:
    """`Broad Twitter Corpus, test` for `test-btc`: of joined sets each evaluates on its own."""
    part, _, key = split.partition("-")
    keys, titles = config.data.data.split("+"), data.name.split(" + ")
    place = keys.index(key) if key in keys else 0
    return f"{titles[place] if len(titles) == len(keys) else data.name}, {part}"


def _metrics(evaluations: dict[str, Any], config: TaggerConfig, data: TaggedData) -> tuple[Metric, ...]:
    """Accuracy of tags, or F1, precision and recall of names, of every split that was evaluated."""
    metrics = []
    for split, found in evaluations.items():
        measured = f"{split_name(split, config, data)}, {found['sentences']:,} sentences, {found['words']:,} words"
        if found["kind"] == "tags":
            metrics.append(Metric(name="accuracy", value=found["accuracy"], data=measured))
            continue
        for name, key in (("F1", "f1"), ("precision", "precision"), ("recall", "recall")):
            metrics.append(Metric(name=name, value=found["micro"][key], data=measured))
        for label, score in found["by_label"].items():
            metrics.append(Metric(name=f"F1 of {label}", value=score["f1"], data=measured))
    return tuple(metrics)


def _npy(values: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()
