"""The commands `lectern-train word2vec train | evaluate | export | import | convert`."""

import argparse
import math
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from service.text import Tokenizer
from training.common.device import worker_threads
from training.common.errors import ConfigError
from training.common.export import check_target
from training.common.family import Experiment, Family
from training.common.options import wants_export
from training.common.run import Run
from training.common.vectors import FORMATS, load_vectors, write_vectors
from training.common.vectors.loading import load_vectors_from
from training.word2vec.config import FAMILY as NAME
from training.word2vec.config import PRESETS, Word2VecConfig
from training.word2vec.data.corpus import CorpusSettings, EncodedCorpus, open_corpus
from training.word2vec.evaluate import evaluate, store
from training.word2vec.export.bundle import BundleSettings, Exported, check_exportable, export
from training.word2vec.export.import_vectors import import_vectors
from training.word2vec.export.provenance import default_name, measure, run_settings
from training.word2vec.plots import draw_run
from training.word2vec.train import train

Word2VecExperiment = Experiment[Word2VecConfig, EncodedCorpus]

# With fewer training words (corpus size times epochs) the vectors hardly differ from their random initialization.
_MIN_TRAINED_WORDS, _MAX_SUGGESTED_EPOCHS = 10_000_000, 100


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
    corpus, epochs = experiment.data, experiment.config.epochs
    rare = corpus.raw_total - corpus.total
    lines = [f"{corpus.raw_total:,} words, {len(corpus.words):,} different; {rare:,} of them are rarer than min_count"]
    if corpus.total * epochs < _MIN_TRAINED_WORDS:
        better = min(_MAX_SUGGESTED_EPOCHS, math.ceil(2 * _MIN_TRAINED_WORDS / corpus.total))
        lines.append(f"little text for {epochs} epochs: with about --epochs {better} the vectors would be better")
    return lines


def _check_settings(experiment: Word2VecExperiment, options: Namespace) -> None:
    config = experiment.config
    check_exportable(_run_bundle_settings(options, config), dimensions=config.dimensions)


def _check_corpus(experiment: Word2VecExperiment, options: Namespace) -> None:
    if wants_export(options):
        config, words = experiment.config, len(experiment.data.words)
        check_exportable(_run_bundle_settings(options, config), dimensions=config.dimensions, words=words)


def _train(experiment: Word2VecExperiment, run: Run, device: torch.device, threads: int) -> None:
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
    vectors = load_vectors(run.path)
    draw_run(run, vectors)
    return _TrainedVectors(run, len(vectors), vectors.dimensions)


def _add_export_options(parser: ArgumentParser) -> None:
    _add_bundle_options(parser)
    parser.add_argument(
        "--measure", action="store_true", help="score the bundle on the English test sets, for its model card"
    )


def _export(experiment: Word2VecExperiment, run: Run, _name: str, options: Namespace) -> str:
    vectors = load_vectors_from(run.path)
    settings = _run_bundle_settings(options, experiment.config)
    check_exportable(settings, dimensions=vectors.dimensions)
    if options.measure:
        settings = replace(settings, metrics=measure(vectors, settings))
    return _export_report(export(vectors, settings))


def _add_commands(commands: Any) -> None:
    _configure_evaluate(commands.add_parser("evaluate", help="analogies, rated word pairs, pictures, nearest words"))
    _configure_import(commands.add_parser("import", help="write a file of vectors as the next version of a bundle"))
    _configure_convert(
        commands.add_parser("convert", help="write a run, a bundle or a file as a file of another format")
    )


def _configure_evaluate(parser: ArgumentParser) -> None:
    parser.set_defaults(command_function=_evaluate)
    parser.add_argument("source", type=Path, nargs="?", help="a run, a version of a bundle, or a file of vectors")
    parser.add_argument("--run", type=Path, help="the same, spelled as for the other families")
    parser.add_argument(
        "--split",
        choices=("dev", "test", "all"),
        default="dev",
        help="dev: every other line of each test file, starting with the first, for choosing settings; "
        "test: the other lines; all (default: dev)",
    )
    parser.add_argument(
        "--restrict",
        type=int,
        default=30_000,
        metavar="N",
        help="answer analogies with the N most frequent words (default: 30000)",
    )
    parser.add_argument("--analogies", type=Path, metavar="FILE", help="your own questions, four words a line")
    parser.add_argument(
        "--pairs", type=Path, action="append", default=[], metavar="FILE", help="your own pairs: two words and a number"
    )
    parser.add_argument(
        "--projection", choices=("pca", "tsne"), default="pca", help="how a run's pictures are made (default: pca)"
    )


def _configure_import(parser: ArgumentParser) -> None:
    parser.set_defaults(command_function=_import)
    parser.add_argument("file", type=Path, help="word2vec text or binary, GloVe text, fastText .vec; .gz too")
    parser.add_argument(
        "--format", choices=("auto", *FORMATS), default="auto", help="file format (default: detected from the content)"
    )
    parser.add_argument(
        "--normalizer",
        choices=("none", "lower"),
        default="none",
        help="normalization of a word before it is looked up (default: none)",
    )
    parser.add_argument("--normaliser", dest="normalizer", choices=("none", "lower"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--tokenizer",
        choices=("letters", "words"),
        default=None,
        help="how texts are split (default: by the normalizer)",
    )
    parser.add_argument("--phrases", action="store_true", help="the file holds phrases, joined by _")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be used, and count them")
    _add_bundle_options(parser)


def _configure_convert(parser: ArgumentParser) -> None:
    parser.set_defaults(command_function=_convert)
    parser.add_argument("source", type=Path, help="a run, a version of a bundle, or a file of vectors")
    parser.add_argument("target", type=Path, help="the file to write; gzipped where its name ends in .gz")
    parser.add_argument(
        "--format", choices=FORMATS, default="word2vec-binary", help="format of the written file (default: %(default)s)"
    )


def _add_bundle_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("bundle")
    group.add_argument("--name", help="name of the model (default: that of the data)")
    group.add_argument("--models", type=Path, default=Path("models"), help="the model repository (default: models)")
    group.add_argument(
        "--precision",
        choices=("int8", "fp16", "fp32"),
        default="int8",
        help="storage format of the vectors (default: int8)",
    )
    group.add_argument("--max-words", type=int, metavar="N", help="keep only the N most frequent words")
    group.add_argument("--keep-dimensions", type=int, metavar="N", help="keep only the N leading principal components")
    group.add_argument(
        "--remove-components",
        type=int,
        default=0,
        metavar="N",
        help="subtract the mean and remove the N leading principal components (Mu and Viswanath 2018) (default: 0)",
    )
    group.add_argument(
        "--index",
        choices=("auto", "none", "hnsw"),
        default="auto",
        help="an approximate index (auto: above 200,000 words)",
    )
    group.add_argument(
        "--licence",
        "--license",
        metavar="LICENCE",
        help="licence of the vectors (default: that of the data, if known)",
    )
    group.add_argument("--attribution", help="attribution, for the manifest (default: that of the data, if known)")
    group.add_argument("--description", default="", help="one line about the model")


def _evaluate(options: Namespace) -> int:
    if (options.source is None) == (options.run is None):
        raise ConfigError("evaluate takes one run, bundle or file of vectors: as `RUN` or as `--run RUN`")
    source: Path = options.source or options.run
    vectors = load_vectors_from(source)
    result = evaluate(
        vectors, split=options.split, restrict=options.restrict, analogies=options.analogies, pairs=options.pairs
    )
    print(result.report())
    if (source / "config.json").exists():
        run = Run(source)
        if not options.analogies and not options.pairs:
            store(result, run)
        draw_run(run, vectors, method=options.projection)
        print(f"\npictures: {run.pictures}")
    return 0


def _import(options: Namespace) -> int:
    name = options.name or options.file.name.partition(".")[0].lower().replace(" ", "-")
    check_target(name, options.models)
    tokenizer: Tokenizer = options.tokenizer or ("letters" if options.normalizer == "lower" else "words")
    settings = replace(
        _bundle_settings(options, name),
        normalizer=options.normalizer,
        tokenizer=tokenizer,
        phrases=options.phrases,
    )
    imported = import_vectors(
        options.file, _with_licence(options, settings), format=options.format, skip_bad=options.skip_bad
    )
    print(
        f"read {options.file} as {imported.format}" + (f", {imported.skipped:,} rows left out" * bool(imported.skipped))
    )
    print(_export_report(imported.exported))
    return 0


def _convert(options: Namespace) -> int:
    vectors = load_vectors_from(options.source)
    write_vectors(vectors, options.target, format=options.format)
    print(f"wrote {len(vectors):,} vectors of {vectors.dimensions} dimensions to {options.target} ({options.format})")
    return 0


def _run_bundle_settings(options: Namespace, config: Word2VecConfig) -> BundleSettings:
    """The settings of the bundle of a run."""
    settings = _bundle_settings(options, options.name or default_name(config))
    return _with_licence(options, replace(settings, **run_settings(config)))


def _bundle_settings(options: Namespace, name: str) -> BundleSettings:
    return BundleSettings(
        name=name,
        repository=options.models,
        precision=options.precision,
        max_words=options.max_words,
        dimensions=options.keep_dimensions,
        remove_components=options.remove_components,
        index=options.index,
        description=options.description,
    )


def _with_licence(options: Namespace, settings: BundleSettings) -> BundleSettings:
    overrides = {
        name: getattr(options, name) for name in ("licence", "attribution") if getattr(options, name) is not None
    }
    return replace(settings, **overrides)


def _export_report(exported: Exported) -> str:
    lines = []
    if exported.dropped:
        lines.append(f"{exported.dropped:,} words that differ from a more frequent one in case only were left out")
    parity, index = exported.parity, exported.index
    lines.append(
        f"the graph finds {parity.overlap:.1%} of the ten nearest words in float32, for {len(parity.queries):,} words; "
        f"scores differ by at most {parity.greatest_difference:.1e}"
    )
    if index is not None:
        lines.append(f"index: recall@10 {index.recall:.3f} at expansion {index.expansion}")
    lines.append(f"wrote {exported.bundle.path}: {exported.words:,} words of {exported.dimensions} dimensions")
    return "\n".join(lines)


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
)
