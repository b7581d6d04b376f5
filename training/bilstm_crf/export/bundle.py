"""Export of a trained tagger as a model bundle: graph, transitions, vocabulary, samples, model card, manifest."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from service.bundle.files import Bundle, draft_bundle
from service.bundle.manifest import Comparison, Graph, Manifest, Metric, ProviderKind, Task
from service.tasks.token_classification.features import (
    Kind,
    TokenClassificationPreprocessing,
    serialize_characters,
    serialize_words,
)
from service.tasks.token_classification.loading import MODEL
from service.tasks.token_classification.segmentation_graph import SEGMENTER
from training.bilstm_crf.config import TaggerConfig
from training.bilstm_crf.data.augmentation import with_recased
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.data.licensing import (
    attribution_of,
    auxiliary_data_set,
    check_redistributable,
    public_config,
)
from training.bilstm_crf.evaluate import evaluate
from training.bilstm_crf.export.card import model_card
from training.bilstm_crf.export.graph import Weights, build_graph, graph_spec
from training.bilstm_crf.export.integer_graphs import (
    build_integer_graphs,
    feature_bounds,
    float_lstms,
    integer_graph_specs,
)
from training.bilstm_crf.export.parity import Parity, check_parity
from training.bilstm_crf.export.samples import NOISE, dev_texts, make_samples
from training.bilstm_crf.export.segmenter import (
    build_segmenter_graph,
    check_segmenter_parity,
    segmenter_files,
    segmenter_preprocessing,
    segmenter_spec,
)
from training.bilstm_crf.segmentation import TrainedSegmenter, load_segmenter
from training.bilstm_crf.tagger import Tagger, load_tagger
from training.common.accelerator_graphs import with_variants
from training.common.export import provenance
from training.common.run import Run
from training.common.samples import SampleAnswers, check_answers

WEIGHTS: tuple[Weights, ...] = get_args(Weights)
WORDS_FILE, CHARACTERS_FILE, TRANSITIONS_FILE = "vocabulary.txt", "characters.txt", "transitions.npy"
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "torch")
TOLERANCES: dict[Weights, float] = {"int8": 2e-2, "int8-stored": 5e-3, "fp16": 5e-3, "fp32": 5e-3}
"""Of the scores of samples; of integer products the graphs for accelerators, which compute in float32, differ more."""
_CASES = {"lower": " in lower case", "upper": " in capitals"}
"""Splits of `augmentation.with_recased`."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The bundle that was written, and its parity with PyTorch."""

    bundle: Bundle
    weights: Weights
    kind: Kind
    parity: Parity

    def report(self) -> str:
        """The summary for the terminal."""
        parity, score = self.parity, score_name(self.kind)
        sizes = {path.name: path.stat().st_size for path in sorted(self.bundle.path.iterdir())}
        files = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in sizes.items() if size >= 10_000)
        return (
            f"the graph on {parity.sentences:,} dev sentences, weights as {self.weights}: {score} "
            f"{parity.graph_score:.2%} (PyTorch {parity.pytorch_score:.2%}), {parity.changed_tags:,} of "
            f"{parity.words:,} tags differ, emissions by up to {parity.max_difference:.1e}; "
            f"alone or in a batch by up to {parity.batch_difference:.1e}\n"
            f"{parity.words_per_second:,.0f} words/s through the graph alone, one thread\n"
            f"wrote {self.bundle.path}: {sum(sizes.values()) / 1e6:.2f} MB ({files})"
        )


def score_name(kind: Kind) -> str:
    """The name of the headline figure."""
    return "F1" if kind == "spans" else "accuracy"


def export(
    run: Run,
    config: TaggerConfig,
    data: TaggedData,
    *,
    name: str,
    repository: Path,
    licence: str | None,
    attribution: str | None = None,
    description: str,
    weights: Weights,
    sample_texts: Sequence[str] = (),
) -> Exported:
    """Write the run's best weights as the next version of `name`, if the ONNX graph is as good as PyTorch.

    Args:
        run: the run.
        config: its settings.
        data: its data.
        name: the model's name.
        repository: where the bundle goes.
        licence: licence of the weights; None for that of the data.
        attribution: makers of what the weights were trained on; None for those of the data and the word vectors.
        description: one line for the manifest; empty for a default.
        weights: how the weights are stored.
        sample_texts: texts of the samples; by default dev sentences or English ones.

    Raises:
        CheckpointError: the run has no weights yet, or its tokenizer is not trained to its end.
        ExportError: the data do not allow it, or the graph differs; nothing is written.
    """
    auxiliary = auxiliary_data_set(config)
    check_redistributable(data, auxiliary)
    tagger, segmenter = load_tagger(run), load_segmenter(run, config, data)
    evaluations = _evaluations(run, config, data, tagger.epoch)
    others = {}
    if segmenter is not None:
        others[SEGMENTER] = segmenter_spec(), onnx.load_from_string(build_segmenter_graph(segmenter.network))
    graphs, graph_files = tagger_graphs(tagger, weights, others)
    manifest = Manifest(
        name=name,
        version=1,
        task=Task.TOKEN_CLASSIFICATION,
        description=description or _description(tagger, data),
        graphs=graphs,
        labels=tagger.labels,
        preprocessing=_preprocessing(config, tagger, segmenter).as_manifest(),
        metrics=_metrics(evaluations, config, data),
        provenance=provenance(
            data=data.name,
            licence=licence or data.licence,
            attribution=attribution or attribution_of(config, data, auxiliary),
            config=public_config(config) | {"epoch": tagger.epoch, "weights": weights},
            seed=config.seed,
            libraries=_LIBRARIES,
        ),
        comparison=Comparison(kind="scores", tolerance=TOLERANCES[weights]),
    )
    files = graph_files | vocabulary_files(tagger) | (segmenter_files(segmenter) if segmenter else {})
    with draft_bundle(repository, manifest, files) as draft:
        answers = SampleAnswers(draft.bundle, NOISE)
        parity = check_parity(tagger, answers.predictor, data, weights)
        accelerator = SampleAnswers(draft.bundle, kind=ProviderKind.ACCELERATOR).predictor
        check_parity(tagger, accelerator, data, weights)
        if segmenter is not None:
            for predictor in (answers.predictor, accelerator):
                check_segmenter_parity(segmenter, predictor, data)
        samples = make_samples(answers, sample_texts or (dev_texts(data) if segmenter else ()))
        check_answers(draft.bundle, samples)
        bundle = draft.publish(samples, model_card(manifest, config, data, tagger, parity, samples))
    return Exported(bundle=bundle, weights=weights, kind=tagger.kind, parity=parity)


def tagger_graphs(
    tagger: Tagger, weights: Weights, others: Mapping[str, tuple[Graph, ModelProto]]
) -> tuple[dict[str, Graph], dict[str, bytes]]:
    """The graphs with their variants for accelerators: descriptions by name, and files.

    Args:
        tagger: the tagger, which has one or two.
        weights: how its weights are stored.
        others: descriptions and models of further graphs of the bundle, by name.
    """
    labels = len(tagger.labels)
    if weights == "int8":
        bounds = feature_bounds(tagger.network, tagger.features, tagger.lexicon.words)
        specs = integer_graph_specs(tagger.network.width, labels)
        files = build_integer_graphs(tagger.network, bounds)
    else:
        specs = {MODEL: graph_spec(labels)}
        files = {MODEL: build_graph(tagger.network, weights)}
    models = {name: onnx.load_from_string(file) for name, file in files.items()}
    for name, (spec, model) in others.items():
        specs[name], models[name] = spec, model
    return with_variants(specs, models, {name: float_lstms(model) for name, model in models.items()})


def vocabulary_files(tagger: Tagger) -> dict[str, bytes]:
    """The vocabulary and the transitions."""
    files = {
        WORDS_FILE: serialize_words(tagger.lexicon.words),
        CHARACTERS_FILE: serialize_characters(tagger.lexicon.characters),
    }
    transitions = tagger.transitions()
    if transitions is not None:
        files[TRANSITIONS_FILE] = _npy(transitions)
    return files


def _preprocessing(
    config: TaggerConfig, tagger: Tagger, segmenter: TrainedSegmenter | None
) -> TokenClassificationPreprocessing:
    return TokenClassificationPreprocessing(
        kind=tagger.kind,
        tokenizer="learned" if segmenter else "words",
        max_characters=config.network.max_characters,
        vocabulary=WORDS_FILE,
        characters=CHARACTERS_FILE,
        transitions=None if tagger.network.crf is None else TRANSITIONS_FILE,
        emoji=bool(config.emoji_tag),
        segmentation=segmenter_preprocessing(segmenter) if segmenter else None,
    )


def _description(tagger: Tagger, data: TaggedData) -> str:
    if tagger.kind == "tags":
        return f"BiLSTM-CRF, trained on {data.name}: {len(tagger.labels)} tags"
    types = sorted({label[2:] for label in tagger.labels if label != "O"})
    return f"BiLSTM-CRF, trained on {data.name}: names of {', '.join(types)}"


def _evaluations(run: Run, config: TaggerConfig, data: TaggedData, epoch: int) -> dict[str, Any]:
    """The evaluations of the exported weights on the present data; dev and test are evaluated now if they were not.

    Scores on sentences that were trained on are left out.
    """
    for split in data.evaluated_splits():
        if not _is_current(run.evaluations().get(split), data, split, epoch):
            evaluate(run, config, data, split, torch.device("cpu"))
    return {
        split: evaluation
        for split, evaluation in run.evaluations().items()
        if _is_current(evaluation, with_recased(data, split), split, epoch)
        and not (config.data.train_on_dev and split.partition("-")[0] == "dev")
    }


def _is_current(evaluation: dict[str, Any] | None, data: TaggedData, split: str, epoch: int) -> bool:
    """Whether an evaluation is of these weights and of the sentences that the split has now."""
    if evaluation is None or split not in data.splits or evaluation["epoch"] != epoch:
        return False
    return bool(evaluation.get("data_sha256") == data.sha256(split))


def split_name(split: str, config: TaggerConfig, data: TaggedData) -> str:
    """A readable name of a split: `my-test.conllu, test`, or `Broad Twitter Corpus, test` for `test-btc`."""
    part, _, key = split.partition("-")
    if part in data.files:
        return f"{data.files[part]}, {part}{_CASES.get(key, '')}"
    keys, titles = config.data.data.split("+"), data.name.split(" + ")
    index = keys.index(key) if key in keys else 0
    return f"{titles[index] if len(titles) == len(keys) else data.name}, {part}{_CASES.get(key, '')}"


def _metrics(evaluations: dict[str, Any], config: TaggerConfig, data: TaggedData) -> tuple[Metric, ...]:
    """Accuracy of tags, or F1, precision and recall of entities, for every evaluated split."""
    metrics = []
    for split, evaluation in evaluations.items():
        measured = (
            f"{split_name(split, config, data)}, {evaluation['sentences']:,} sentences, {evaluation['words']:,} words"
        )
        if evaluation["kind"] == "tags":
            metrics.append(Metric(name="accuracy", value=evaluation["accuracy"], data=measured))
        else:
            for name, key in (("F1", "f1"), ("precision", "precision"), ("recall", "recall")):
                metrics.append(Metric(name=name, value=evaluation["micro"][key], data=measured))
            for label, score in evaluation["by_label"].items():
                metrics.append(Metric(name=f"F1 of {label}", value=score["f1"], data=measured))
        metrics += _raw_text_metrics(evaluation, measured)
    return tuple(metrics)


def _raw_text_metrics(evaluation: dict[str, Any], measured: str) -> list[Metric]:
    """F1 of what a learned tokenizer makes of the raw text, if there is one."""
    scores = evaluation.get("segmentation", {})
    return [
        Metric(name=f"F1 of {name} in raw text", value=scores[name], data=measured)
        for name in ("tokens", "words", "sentences", "tags")
        if name in scores
    ]


def _npy(values: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()
