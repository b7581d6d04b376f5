"""The commands `lectern-train word2vec train | evaluate | export | import | convert`."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.bundle.manifest import Task
from training.common.conversion import convert
from training.common.device import worker_threads
from training.common.family import Experiment, Family
from training.common.options import wants_export
from training.common.run import Run
from training.common.vectors import load_vectors
from training.common.vectors.loading import load_vectors_from
from training.word2vec.config import FAMILY as NAME
from training.word2vec.config import PRESETS, Word2VecConfig
from training.word2vec.data.corpus import CorpusSettings, EncodedCorpus, open_corpus
from training.word2vec.export.bundle import BundleSettings, check_exportable, export
from training.word2vec.export.conversion import converted
from training.word2vec.export.provenance import default_name, measure, run_settings
from training.word2vec.vector_commands import (
    add_bundle_options,
    add_convert_options,
    bundle_settings,
    configure_evaluate,
    configure_import,
    export_report,
    with_licence,
)

if TYPE_CHECKING:
    import torch

Word2VecExperiment = Experiment[Word2VecConfig, EncodedCorpus]

# With fewer training words (corpus size times epochs) the vectors hardly differ from their random initialization.
_MIN_TRAINED_WORDS, _MAX_EPOCHS = 10_000_000, 100
_FEW_WORDS = 200_000


def _add_train_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--corpus", type=Path, metavar="FOLDER", help="where to keep the encoded text (default: in the cache)"
    )


def _load_corpus(config: Word2VecConfig, options: Namespace) -> EncodedCorpus:
    settings = CorpusSettings(
        tokenizer=config.tokenizer,
        min_count=config.min_count,
        max_vocabulary=config.max_vocabulary,
        phrases=config.phrases,
        phrase_threshold=config.phrase_threshold,
        phrase_discount=config.phrase_discount,
    )
    return open_corpus(config.data, settings, options.corpus)


def _describe_corpus(experiment: Word2VecExperiment) -> list[str]:
    corpus = experiment.data
    rare = corpus.raw_total - corpus.total
    lines = [f"{corpus.raw_total:,} words, {len(corpus.words):,} different; {rare:,} of them are rarer than min_count"]
    if corpus.total < _FEW_WORDS:
        lines.append(f"note: {corpus.total:,} words are little text; vectors become useful with millions of words")
    return lines


def _usual_epochs(experiment: Word2VecExperiment) -> int:
    words, usual = experiment.data.total, PRESETS["default"].epochs
    if words * usual >= _MIN_TRAINED_WORDS:
        return usual
    return min(_MAX_EPOCHS, math.ceil(2 * _MIN_TRAINED_WORDS / words))


def _check_settings(experiment: Word2VecExperiment, options: Namespace) -> None:
    config = experiment.config
    check_exportable(_run_bundle_settings(options, config), dimensions=config.dimensions, subwords=config.subwords)


def _check_corpus(experiment: Word2VecExperiment, options: Namespace) -> None:
    if wants_export(options):
        config, words = experiment.config, len(experiment.data.words)
        check_exportable(
            _run_bundle_settings(options, config), dimensions=config.dimensions, words=words, subwords=config.subwords
        )


def _train(experiment: Word2VecExperiment, run: Run, device: torch.device, threads: int) -> None:
    from training.word2vec.train import train  # here, as vectors are imported where PyTorch is not installed

    train(experiment.config, experiment.data, run, device, worker_threads(threads))


@dataclass(frozen=True)
class _TrainedVectors:
    """The result of a training run, before anything is measured."""

    run: Run
    words: int
    dimensions: int

    def report(self) -> str:
        """Their number and where they are."""
        return f"{self.words:,} vectors of {self.dimensions} dimensions in {self.run.path}"


def _draw_trained(_: Word2VecExperiment, run: Run, _device: torch.device, _options: Namespace) -> _TrainedVectors:
    from training.word2vec.plots import draw_run

    vectors = load_vectors(run.path)
    draw_run(run, vectors)
    return _TrainedVectors(run, len(vectors), vectors.dimensions)


def _add_export_options(parser: ArgumentParser) -> None:
    add_bundle_options(parser)
    parser.add_argument(
        "--measure", action="store_true", help="score the bundle on the English test sets, for its model card"
    )


def _export(experiment: Word2VecExperiment, run: Run, _name: str, options: Namespace) -> str:
    vectors = load_vectors_from(run.path)
    settings = _run_bundle_settings(options, experiment.config)
    check_exportable(settings, dimensions=vectors.dimensions, subwords=vectors.subwords is not None)
    if options.measure:
        settings = replace(settings, metrics=measure(vectors, settings))
    return export_report(export(vectors, settings))


def _add_commands(commands: Any) -> None:
    configure_evaluate(commands.add_parser("evaluate", help="analogies, rated word pairs, pictures, nearest words"))
    configure_import(commands.add_parser("import", help="write a file of vectors as the next version of a bundle"))


def _add_convert_options(parser: ArgumentParser) -> None:
    add_convert_options(parser, lambda options: convert(FAMILY, options))


def _run_bundle_settings(options: Namespace, config: Word2VecConfig) -> BundleSettings:
    """The settings of the bundle of a run."""
    settings = bundle_settings(options, options.name or default_name(config))
    return with_licence(options, replace(settings, **run_settings(config)))


FAMILY = Family(
    name=NAME,
    config=Word2VecConfig,
    presets=PRESETS,
    load_data=_load_corpus,
    describe_data=_describe_corpus,
    default_name=lambda experiment: default_name(experiment.config),
    check_settings=_check_settings,
    check_data=_check_corpus,
    train=_train,
    evaluate=_draw_trained,
    export=_export,
    export_help="write the vectors of a run as the next version of a bundle",
    add_train_options=_add_train_options,
    add_export_options=_add_export_options,
    add_commands=_add_commands,
    convert=converted,
    convert_task=Task.WORD_VECTORS,
    convert_help="write the next version of a bundle with the table that this release would write; or the vectors of a "
    "run, a bundle or a file as a file of another format",
    add_convert_options=_add_convert_options,
    usual_epochs=_usual_epochs,
)
