"""The commands `lectern-train word2vec evaluate | import | convert`, which train nothing and need no PyTorch."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from service.output import write
from service.text import Tokenizer
from training.common.errors import ConfigError
from training.common.export import check_target
from training.common.run import CONFIG, Run
from training.common.vectors import FORMATS, READABLE_FORMATS, Format, write_vectors
from training.common.vectors.loading import load_vectors_from
from training.word2vec.evaluate import evaluate, store
from training.word2vec.export.bundle import BundleSettings, Exported
from training.word2vec.export.import_vectors import Imported, import_vectors

_LISTED_WORDS = 5
_DEFAULT_FORMAT: Format = "word2vec-binary"


def configure_evaluate(parser: ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    parser.set_defaults(command_function=_evaluate)
    parser.add_argument("source", type=Path, nargs="?", help="a run, a version of a bundle, or a file of vectors")
    parser.add_argument("--run", type=Path, help="the same, spelled as for the other families")
    parser.add_argument(
        "--split",
        choices=("dev", "test", "all"),
        default="all",
        help="dev: every other line of each test file, starting with the first, for choosing settings; "
        "test: the other lines; all, as in model cards (default: all)",
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


def configure_import(parser: ArgumentParser) -> None:
    """Add the options of `import`."""
    parser.set_defaults(command_function=_import)
    parser.add_argument(
        "file",
        type=Path,
        help="word2vec text or binary, GloVe text, fastText .vec or .bin (with its n-grams); also packed (.gz, .bz2, "
        ".xz, .zip); archive.zip/member names one file of several",
    )
    parser.add_argument(
        "--format",
        choices=("auto", *READABLE_FORMATS),
        default="auto",
        help="file format (default: detected from the content)",
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
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out rows that cannot be used (another width, a word twice, a zero vector, no UTF-8), and "
        "count them; the header may promise another number of rows",
    )
    parser.add_argument(
        "--ignore-header",
        action="store_true",
        help="take the number of rows, and of text the dimensions, from the rows instead of the header",
    )
    add_bundle_options(parser)


def add_convert_options(parser: ArgumentParser, convert_bundle: Callable[[Namespace], int]) -> None:
    """Add the options of `convert` with which it writes the vectors to a file.

    Args:
        parser: the parser of the command.
        convert_bundle: what the command does where no file is named.
    """
    parser.set_defaults(command_function=lambda options: _convert(options, convert_bundle))
    parser.add_argument(
        "target", type=Path, nargs="?", metavar="FILE",
        help="write the vectors to this file instead, gzipped where its name ends in .gz; BUNDLE may then also be a "
        "run or a file of vectors",
    )  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, help=f"format of FILE (default: {_DEFAULT_FORMAT})")
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out words with white space, which no FILE can hold"
    )


def add_bundle_options(parser: ArgumentParser) -> None:
    """Add the options that say how a bundle of vectors is made and described."""
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
        "--words-only",
        action="store_true",
        help="leave out the vectors of n-grams of a run with subwords: a smaller bundle, in which unknown words stay "
        "unknown",
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
    write(result.report())
    if (source / CONFIG).exists():
        run = Run(source)
        if not options.analogies and not options.pairs:
            store(result, run)
        from training.word2vec.plots import draw_run

        draw_run(run, vectors, method=options.projection)
        write(f"\npictures: {run.pictures}")
    return 0


def _import(options: Namespace) -> int:
    name = options.name or options.file.name.partition(".")[0].lower().replace(" ", "-")
    check_target(name, options.models)
    tokenizer: Tokenizer = options.tokenizer or ("letters" if options.normalizer == "lower" else "words")
    settings = replace(
        bundle_settings(options, name),
        normalizer=options.normalizer,
        tokenizer=tokenizer,
        phrases=options.phrases,
    )
    imported = import_vectors(
        options.file,
        with_licence(options, settings),
        format=options.format,
        skip_bad=options.skip_bad,
        ignore_header=options.ignore_header,
    )
    write(f"read {options.file} as {imported.format}{_left_out(imported)}")
    write(export_report(imported.exported))
    return 0


def _left_out(imported: Imported) -> str:
    """The notes on an imported file and its rows that were left out, for the terminal."""
    lines = [f"note: {note}" for note in imported.notes]
    if imported.skipped:
        more = imported.skipped - len(imported.faults)
        lines += [
            f"left out {imported.skipped:,} row{'s' if imported.skipped > 1 else ''}:",
            *(f"  {fault}" for fault in imported.faults),
        ]
        lines += [f"  and {more:,} more"] * bool(more)
    return "".join(f"\n{line}" for line in lines)


def _convert(options: Namespace, convert_bundle: Callable[[Namespace], int]) -> int:
    source, target = options.bundle, options.target
    if target is None:
        if options.format or options.skip_bad:
            option = "--format" if options.format else "--skip-bad"
            raise ConfigError(f"{option} is for vectors that are written to a file; name it: convert {source} FILE")
        if source.is_file() or (source / CONFIG).exists():
            raise ConfigError(f"{source}: is no bundle; to write its vectors to a file, name it: convert {source} FILE")
        return convert_bundle(options)
    if options.out:
        raise ConfigError("--out is for the next version of a bundle, which is written where no FILE is named")
    format_name: Format = options.format or _DEFAULT_FORMAT
    vectors = load_vectors_from(source)
    left_out = write_vectors(vectors, target, format=format_name, skip_bad=options.skip_bad)
    if left_out:
        words = "1 word that holds" if len(left_out) == 1 else f"{len(left_out):,} words that hold"
        examples = ", ".join(map(repr, left_out[:_LISTED_WORDS])) + ", …" * (len(left_out) > _LISTED_WORDS)
        write(f"left out {words} white space: {examples}")
    write(
        f"wrote {len(vectors) - len(left_out):,} vectors of {vectors.dimensions} dimensions to {target} ({format_name})"
    )
    if vectors.subwords is not None:
        write(f"note: the vectors of n-grams stay behind, as {format_name} has words only")
    return 0


def bundle_settings(options: Namespace, name: str) -> BundleSettings:
    """The settings of a bundle that the options of `add_bundle_options` give."""
    return BundleSettings(
        name=name,
        repository=options.models,
        precision=options.precision,
        max_words=options.max_words,
        dimensions=options.keep_dimensions,
        remove_components=options.remove_components,
        words_only=options.words_only,
        index=options.index,
        description=options.description,
    )


def with_licence(options: Namespace, settings: BundleSettings) -> BundleSettings:
    """The settings with the licence and the attribution of the options, if they are set."""
    overrides = {
        name: getattr(options, name) for name in ("licence", "attribution") if getattr(options, name) is not None
    }
    return replace(settings, **overrides)


def export_report(exported: Exported) -> str:
    """The summary of a bundle that was written, for the terminal."""
    lines = []
    if exported.dropped:
        lines.append(
            f"{exported.dropped:,} words were left out: as they are looked up, they are empty or equal to a more "
            "frequent one"
        )
    parity, index = exported.parity, exported.index
    lines.append(
        f"the graph finds {parity.overlap:.1%} of the ten nearest words in float32, for {len(parity.queries):,} words; "
        f"scores differ by at most {parity.greatest_difference:.1e}"
    )
    if parity.composed_difference is not None:
        lines.append(f"words composed of n-grams differ from float32 by at most {parity.composed_difference:.1e}")
    if index is not None:
        lines.append(f"index: recall@10 {index.recall:.3f} at expansion {index.expansion}")
    lines.append(f"wrote {exported.bundle.path}: {exported.words:,} words of {exported.dimensions} dimensions")
    return "\n".join(lines)
