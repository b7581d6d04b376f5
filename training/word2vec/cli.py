"""`lectern-train word2vec train | evaluate | export | import | convert`."""

import argparse
import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from service.text import Tokenizer
from training.common.cli import (
    Interrupted,
    add_machine_flags,
    add_run_flags,
    check_resume,
    given_settings,
    wants_export,
)
from training.common.config import add_flags, merge, to_dict
from training.common.device import pick_device, worker_threads
from training.common.export import check_target
from training.common.run import Run
from training.common.vectors import FORMATS, WordVectors, load_vectors, write_vectors
from training.common.vectors.loading import open_vectors_of
from training.word2vec.config import FAMILY, PRESETS, Word2VecConfig, stored_config
from training.word2vec.data.corpus import CorpusSettings, open_corpus
from training.word2vec.evaluate import evaluate, store
from training.word2vec.export.bundle import BundleSettings, Exported, check_exportable, export
from training.word2vec.export.import_vectors import import_vectors
from training.word2vec.export.provenance import default_name, measured, run_settings
from training.word2vec.plots import draw_run
from training.word2vec.train import train

# Below so many words, all epochs together, the vectors have hardly left where they began.
_ENOUGH_WORDS, _MOST_EPOCHS = 10_000_000, 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    _configure_train(commands.add_parser("train", help="train, or continue a run that was stopped"))
    _configure_evaluate(commands.add_parser("evaluate", help="analogies, judged pairs, pictures, nearest words"))
    exporting = commands.add_parser("export", help="write the vectors of a run as the next version of a bundle")
    exporting.set_defaults(run=_export)
    exporting.add_argument(
        "--run", dest="run_path", type=Path, metavar="RUN", required=True, help="the run's directory"
    )
    _add_bundle_flags(exporting)
    exporting.add_argument(
        "--measure", action="store_true", help="score the bundle on the English test sets, for its model card"
    )
    _configure_import(commands.add_parser("import", help="write a file of vectors as the next version of a bundle"))
    converting = commands.add_parser("convert", help="write a run, a bundle or a file as a file of another format")
    converting.set_defaults(run=_convert)
    converting.add_argument("source", type=Path, help="a run, a version of a bundle, or a file of vectors")
    converting.add_argument("target", type=Path, help="the file to write; gzipped where its name ends in .gz")
    converting.add_argument("--format", choices=FORMATS, default="word2vec-binary", help="(default: %(default)s)")


def _configure_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_train)
    add_run_flags(parser, PRESETS)
    parser.add_argument(
        "--corpus", type=Path, metavar="FOLDER", help="where to keep the encoded text (default: in the cache)"
    )
    parser.add_argument("--export", action="store_true", help="then export; --name does so too")
    _add_bundle_flags(parser)
    add_machine_flags(parser)
    add_flags(parser.add_argument_group("settings"), Word2VecConfig, PRESETS["default"])


def _configure_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_evaluate)
    parser.add_argument("source", type=Path, help="a run, a version of a bundle, or a file of vectors")
    parser.add_argument(
        "--split",
        choices=("dev", "test", "all"),
        default="dev",
        help="every other question, to choose settings by; the others; or all (default: dev)",
    )
    parser.add_argument(
        "--restrict", type=int, default=30_000, metavar="WORDS", help="analogies within so many words (default: 30000)"
    )
    parser.add_argument("--analogies", type=Path, metavar="FILE", help="your own questions, four words a line")
    parser.add_argument(
        "--pairs", type=Path, action="append", default=[], metavar="FILE", help="your own pairs: two words and a number"
    )
    parser.add_argument(
        "--projection", choices=("pca", "tsne"), default="pca", help="how a run's pictures are made (default: pca)"
    )


def _configure_import(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_import)
    parser.add_argument("file", type=Path, help="word2vec text or binary, GloVe text, fastText .vec; .gz too")
    parser.add_argument("--format", choices=("auto", *FORMATS), default="auto", help="(default: told by the content)")
    parser.add_argument(
        "--normaliser", choices=("none", "lower"), default="none", help="what look-ups do to a word (default: none)"
    )
    parser.add_argument(
        "--tokenizer", choices=("letters", "words"), default=None, help="how texts are cut (default: by the normaliser)"
    )
    parser.add_argument("--phrases", action="store_true", help="the file holds phrases, joined by _")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be used, and count them")
    _add_bundle_flags(parser)


def _add_bundle_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("bundle")
    group.add_argument("--name", help="name of the model (default: that of the data)")
    group.add_argument("--models", type=Path, default=Path("models"), help="the model repository (default: models)")
    group.add_argument(
        "--precision", choices=("int8", "fp16", "fp32"), default="int8", help="of the table (default: int8)"
    )
    group.add_argument("--max-words", type=int, metavar="N", help="only the most frequent words")
    group.add_argument("--keep-dimensions", type=int, metavar="N", help="only the leading principal axes")
    group.add_argument(
        "--remove-components",
        type=int,
        default=0,
        metavar="N",
        help="leave out the mean and so many leading axes, which all words share (default: 0)",
    )
    group.add_argument(
        "--index",
        choices=("auto", "none", "hnsw"),
        default="auto",
        help="an approximate index (auto: above 200,000 words)",
    )
    group.add_argument("--licence", help="licence of the vectors (default: that of the data, if known)")
    group.add_argument("--attribution", help="whom to name (default: that of the data, if known)")
    group.add_argument("--description", default="", help="one line about the model")


def _train(options: argparse.Namespace) -> int:
    config = _config(options)
    wanted = wants_export(options)
    if wanted:
        check_exportable(_settings_of(options, config), dimensions=config.dimensions)
    device = pick_device(options.device)
    path = options.resume or options.run_path or Path("runs") / f"word2vec-{datetime.now():%Y%m%d-%H%M%S}"
    corpus = open_corpus(config.data, _corpus_settings(config), options.corpus)
    if wanted:
        check_exportable(_settings_of(options, config), dimensions=config.dimensions, words=len(corpus.words))
    run = Run.create(path, family=FAMILY, config=to_dict(config))
    try:
        run.logger().info(
            "%s words, %s different; %s of them are rarer than min_count; run %s",
            f"{corpus.raw_total:,}", f"{len(corpus.words):,}", f"{corpus.raw_total - corpus.total:,}", path,
        )  # fmt: skip
        if corpus.total * config.epochs < _ENOUGH_WORDS:
            run.logger().info(
                "little text for %d epochs: with about --epochs %d the vectors would be better",
                config.epochs, min(_MOST_EPOCHS, math.ceil(2 * _ENOUGH_WORDS / corpus.total)),
            )  # fmt: skip
        vectors = train(config, corpus, run, device, worker_threads(options.threads))
    except Interrupted as error:
        run.logger().info(
            "stopped (%s); what is done is kept. Go on with: lectern-train word2vec train --resume %s", error, path
        )
        return error.code
    finally:
        run.close()
    draw_run(run, vectors)
    print(f"{len(vectors):,} vectors of {vectors.dimensions} dimensions in {path}; pictures: {run.pictures}")
    return _write(options, config, vectors) if wanted else 0


def _evaluate(options: argparse.Namespace) -> int:
    vectors = open_vectors_of(options.source)
    result = evaluate(
        vectors, split=options.split, restrict=options.restrict, analogies=options.analogies, pairs=options.pairs
    )
    print(result.report())
    if (options.source / "config.json").exists():
        run = Run(options.source)
        if not options.analogies and not options.pairs:
            store(result, run)
        draw_run(run, vectors, method=options.projection)
        print(f"\npictures: {run.pictures}")
    return 0


def _export(options: argparse.Namespace) -> int:
    run = Run.open(options.run_path, family=FAMILY)
    open_vectors_of(options.run_path)
    return _write(options, stored_config(run), load_vectors(run.path))


def _write(options: argparse.Namespace, config: Word2VecConfig, vectors: WordVectors) -> int:
    settings = _settings_of(options, config)
    check_exportable(settings, dimensions=vectors.dimensions)
    if getattr(options, "measure", False):
        settings = replace(settings, metrics=measured(vectors, settings))
    _tell(export(vectors, settings))
    return 0


def _import(options: argparse.Namespace) -> int:
    name = options.name or options.file.name.partition(".")[0].lower().replace(" ", "-")
    check_target(name, options.models)
    tokenizer: Tokenizer = options.tokenizer or ("letters" if options.normaliser == "lower" else "words")
    settings = replace(
        _bundle_settings(options, name),
        normaliser=options.normaliser,
        tokenizer=tokenizer,
        phrases=options.phrases,
    )
    imported = import_vectors(
        options.file, _with_given(options, settings), format=options.format, skip_bad=options.skip_bad
    )
    print(
        f"read {options.file} as {imported.format}" + (f", {imported.skipped:,} rows left out" * bool(imported.skipped))
    )
    _tell(imported.exported)
    return 0


def _convert(options: argparse.Namespace) -> int:
    vectors = open_vectors_of(options.source)
    write_vectors(vectors, options.target, format=options.format)
    print(f"wrote {len(vectors):,} vectors of {vectors.dimensions} dimensions to {options.target} ({options.format})")
    return 0


def _settings_of(options: argparse.Namespace, config: Word2VecConfig) -> BundleSettings:
    """What the bundle of a run is to be."""
    settings = _bundle_settings(options, options.name or default_name(config))
    return _with_given(options, replace(settings, **run_settings(config)))


def _bundle_settings(options: argparse.Namespace, name: str) -> BundleSettings:
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


def _with_given(options: argparse.Namespace, settings: BundleSettings) -> BundleSettings:
    given = {name: getattr(options, name) for name in ("licence", "attribution") if getattr(options, name) is not None}
    return replace(settings, **given)


def _tell(done: Exported) -> None:
    if done.dropped:
        print(f"{done.dropped:,} words that differ from a more frequent one in case only were left out")
    parity = done.parity
    print(
        f"the graph finds {parity.overlap:.1%} of the ten nearest words in float32, for {len(parity.queries):,} words; "
        f"scores differ by at most {parity.greatest_difference:.1e}"
    )
    if done.index is not None:
        print(f"index: recall@10 {done.index.recall:.3f} at expansion {done.index.expansion}")
    print(f"wrote {done.bundle.path}: {done.words:,} words of {done.dimensions} dimensions")


def _corpus_settings(config: Word2VecConfig) -> CorpusSettings:
    return CorpusSettings(
        tokenizer=config.tokenizer,
        min_count=config.min_count,
        max_vocabulary=config.max_vocabulary,
        phrases=config.phrases,
        phrase_threshold=config.phrase_threshold,
        phrase_discount=config.phrase_discount,
    )


def _config(options: argparse.Namespace) -> Word2VecConfig:
    """The preset, or the resumed run's own settings, changed by the flags that were given."""
    given = given_settings(options, Word2VecConfig)
    if options.resume is None:
        return merge(PRESETS[options.preset or "default"], given)
    check_resume(options, given)
    return stored_config(Run.open(options.resume, family=FAMILY))
