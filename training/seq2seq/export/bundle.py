"""Writes a trained translator as a model bundle: graphs, subwords, language profile, samples, model card, manifest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from service.bundle.files import Bundle, draft_bundle
from service.bundle.manifest import Comparison, Manifest, Metric, ProviderKind, Task
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.text import TranslationPreprocessing
from training.common.export import provenance
from training.common.run import Run
from training.common.samples import SampleAnswers, agreeing_samples
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.language_profile import language_profile
from training.seq2seq.data.licensing import attribution_of, check_redistributable, public_config
from training.seq2seq.data.truecasing import learn_truecaser
from training.seq2seq.evaluate import evaluate
from training.seq2seq.export.card import model_card
from training.seq2seq.export.everyday import everyday_metrics
from training.seq2seq.export.graph import build_graphs
from training.seq2seq.export.parity import Parity, check_parity
from training.seq2seq.export.quantize import Weights
from training.seq2seq.export.sample_requests import NOISE, sample_requests
from training.seq2seq.translator import NAMES, Translator, load_translator

WEIGHTS: tuple[Weights, ...] = get_args(Weights)
JOINT_FILE, SOURCE_FILE, TARGET_FILE = "pieces.model", "source.model", "target.model"
PROFILE_FILE, TRUECASING_FILE = "language.json", "capitals.json"
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "sacrebleu", "sentencepiece", "torch")
_TOLERANCE = 0.02  # of a score: machines may round a float that is nearly between two integers to either
_LENGTH_SAMPLE = 20_000  # training sentences, spread over the corpus, from which the maximum length is computed
_MIN_LIMIT, _MAX_LIMIT = 48, 128  # a split costs more quality than a sentence that is somewhat longer than usual


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A written bundle, with the differences between its graphs and PyTorch."""

    bundle: Bundle
    weights: Weights
    parity: Parity
    accelerator_parity: Parity
    """Of the graphs for other execution providers than the CPU's, as the CPU runs them."""

    def report(self) -> str:
        """The summary for the terminal."""
        parity = self.parity
        sizes = {path.name: path.stat().st_size for path in sorted(self.bundle.path.iterdir())}
        files = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in sizes.items() if size >= 10_000)
        return (
            f"the graphs on {parity.sentences:,} dev sentences, beam {parity.beam_size}, weights as {self.weights}: "
            f"BLEU {parity.graph_bleu:.2f} (PyTorch {parity.pytorch_bleu:.2f}), "
            f"{parity.changed_translations:,} translations differ; log-probabilities differ by "
            f"{parity.mean_difference:.1e} on average, at most {parity.max_difference:.1e}; "
            f"scores alone and in a batch differ by up to {parity.batch_difference:.1e}\n"
            f"{parity.sentences_per_second:,.0f} sentences/s through the graphs alone, one thread\n"
            f"the graphs for other execution providers: BLEU {self.accelerator_parity.graph_bleu:.2f}, "
            f"{self.accelerator_parity.changed_translations:,} translations differ from PyTorch's\n"
            f"wrote {self.bundle.path}: {sum(sizes.values()) / 1e6:.2f} MB ({files})"
        )


def export(
    run: Run,
    config: TranslatorConfig,
    data: ParallelData,
    *,
    name: str,
    repository: Path,
    licence: str | None,
    attribution: str | None = None,
    description: str,
    weights: Weights,
) -> Exported:
    """Write the run's kept weights as the next version of `name`, after a check that the ONNX graphs are as good.

    The bundle searches with the settings of the run's evaluation on the dev sentences.

    Args:
        run: the trained run.
        config: settings of the run.
        data: that it was trained on.
        name: name of the model.
        repository: the model repository.
        licence: licence of the weights; None is the licence of the data.
        attribution: makers of what it was trained on; None for those of the data.
        description: for the manifest; empty for a standard one.
        weights: how they are stored.

    Raises:
        CheckpointError: the run has no weights yet.
        ExportError: the licence of the data forbids it, or the graphs differ; nothing is written.
    """
    check_redistributable(config, data)
    with _one_thread():
        credit = attribution or attribution_of(config, data)
        return _export(run, config, data, name, repository, licence or data.licence, credit, description, weights)


def exported_bleu(run: Run, config: TranslatorConfig, data: ParallelData) -> float:
    """BLEU in percent of the exported weights on dev, as the model card shows it; evaluated now if it was not yet.

    Raises:
        CheckpointError: the run has no weights yet.
    """
    with _one_thread():
        dev = _evaluations(run, config, data, load_translator(run).epoch)["dev"]
    return float(dev["bleu_lower_case" if config.data.lower_case else "bleu"])


def _export(
    run: Run,
    config: TranslatorConfig,
    data: ParallelData,
    name: str,
    repository: Path,
    licence: str,
    credit: str,
    description: str,
    weights: Weights,
) -> Exported:
    translator = load_translator(run)
    evaluations = _evaluations(run, config, data, translator.epoch)
    preprocessing = _preprocessing(translator, data, evaluations["dev"])
    sentences = [pair.source for pair in data.splits["train"]]
    graphs, graph_files = build_graphs(translator.network, weights)
    manifest = Manifest(
        name=name,
        version=1,
        task=Task.TRANSLATION,
        description=description
        or f"LSTM translator from {data.source} to {data.target}, trained on {data.training_name}",
        graphs=graphs,
        preprocessing=preprocessing.model_dump(),
        metrics=_metrics(evaluations, data),
        provenance=provenance(
            data=data.training_name,
            licence=licence,
            attribution=credit,
            config=public_config(config) | {"epoch": translator.epoch, "weights": weights},
            seed=config.seed,
            libraries=_LIBRARIES,
        ),
        comparison=Comparison(kind="text", tolerance=_TOLERANCE),
    )
    files: dict[str, bytes | Path] = {
        **graph_files,
        preprocessing.source_pieces: translator.source.model,
        preprocessing.target_pieces: translator.target.model,
        PROFILE_FILE: language_profile(data.source, sentences).write(),
        TRUECASING_FILE: learn_truecaser(sentences).write(),
    }
    if preprocessing.names:
        files[preprocessing.names] = run.path / NAMES
    with draft_bundle(repository, manifest, files) as draft:
        answers = SampleAnswers(draft.bundle, NOISE)
        assert isinstance(answers.predictor, TranslationPredictor)
        parity = check_parity(translator, answers.predictor, data, weights)
        accelerator = SampleAnswers(draft.bundle, kind=ProviderKind.ACCELERATOR).predictor
        assert isinstance(accelerator, TranslationPredictor)
        accelerator_parity = check_parity(translator, accelerator, data, weights)
        manifest = manifest.model_copy(update={"metrics": manifest.metrics + everyday_metrics(answers.predictor)})
        requests = sample_requests(answers, [pair.source for pair in data.splits["dev"]])
        samples = agreeing_samples(draft.bundle, [answers.sample(request) for request in requests])
        card = model_card(manifest, config, data, translator, parity, samples)
        bundle = draft.publish(samples, card, manifest=manifest)
    return Exported(bundle=bundle, weights=weights, parity=parity, accelerator_parity=accelerator_parity)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run PyTorch on one thread: single steps are too short for several, which mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _preprocessing(translator: Translator, data: ParallelData, dev: dict[str, Any]) -> TranslationPreprocessing:
    joint = translator.source is translator.target
    return TranslationPreprocessing(
        source=data.source,
        target=data.target,
        source_pieces=JOINT_FILE if joint else SOURCE_FILE,
        target_pieces=JOINT_FILE if joint else TARGET_FILE,
        profile=PROFILE_FILE,
        truecasing=TRUECASING_FILE,
        max_source_tokens=_max_source_tokens(translator, [pair.source for pair in data.splits["train"]]),
        length_penalty=dev["length_penalty"],
        coverage_penalty=dev["coverage_penalty"],
        beam_size=dev["beam_size"],
        uses_placeholders=translator.config.copies,
        rare_words=translator.config.copies,
        names=NAMES if translator.rare_words else None,
    )


def _max_source_tokens(translator: Translator, sentences: Sequence[str]) -> int:
    """The length that 99.9% of the training sentences do not exceed, within limits."""
    lengths = [len(translator.encode(sentence)) for sentence in sentences[:: len(sentences) // _LENGTH_SAMPLE + 1]]
    return int(np.clip(np.quantile(lengths, 0.999), _MIN_LIMIT, _MAX_LIMIT)) if lengths else _MAX_LIMIT


def _evaluations(run: Run, config: TranslatorConfig, data: ParallelData, epoch: int) -> dict[str, Any]:
    """The evaluations of the exported weights by split; dev is evaluated now if that was not done yet."""
    dev = run.evaluations().get("dev")
    if dev is None or dev.get("epoch") != epoch:
        evaluate(run, config, data, "dev", torch.device("cpu"))
    return {split: result for split, result in run.evaluations().items() if result.get("epoch") == epoch}


def _metrics(evaluations: dict[str, Any], data: ParallelData) -> tuple[Metric, ...]:
    """BLEU and chrF2 of each evaluated split, and BLEU without near-duplicates."""
    metrics = []
    for split, result in evaluations.items():
        new = result["without_near_duplicates"]
        for scores, which in ((result, ""), (new, " without a near-duplicate in training")):
            measured = f"{data.name}, {split}, {scores['sentences']:,} sentences{which}, beam {result['beam_size']}"
            for name, key in (("BLEU", "bleu"), ("BLEU, lower case", "bleu_lower_case"), ("chrF2", "chrf2")):
                if scores is result or key == "bleu":
                    signature = f"; {scores['signatures'][key]}" if scores is result else ""
                    metrics.append(Metric(name=name, value=scores[key], unit="%", data=measured + signature))
    return tuple(metrics)
