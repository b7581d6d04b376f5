"""Compares word2vec training with gensim on the same text with the same settings, in alternating rounds.

    python tests/benchmarks/word2vec_gensim.py --words 8000000 --rounds 3
    python tests/benchmarks/word2vec_gensim.py --architecture cbow --loss hierarchical-softmax

README.md says how to read it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from contenders import processor
from gensim.models import Word2Vec
from gensim.models.word2vec import FAST_VERSION
from numpy.typing import NDArray

from training.common.errors import UserError
from training.common.vectors import WordVectors
from training.word2vec.config import Word2VecConfig
from training.word2vec.data.corpus import CorpusSettings, open_corpus
from training.word2vec.evaluate import Evaluation, evaluate
from training.word2vec.train import train_vectors

MAX_LINE_LENGTH = 1000  # words; our trainer splits longer sentences, as word2vec.c does


@dataclass(frozen=True)
class Corpus:
    """The part of an encoded corpus that both trainers use, without the words that are rare in it."""

    words: list[str]
    counts: NDArray[np.int64]
    ids: NDArray[np.int32]
    """[tokens], word ids with -1 between sentences."""

    @property
    def total(self) -> int:
        """Words, sentence ends not counted."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class Result:
    """The result of one trainer in one round."""

    rate: float
    """Words of all epochs per second of training."""
    vectors: WordVectors


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    arguments = _parse(argv)
    try:
        _benchmark(arguments)
    except UserError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=Word2VecConfig.data, help=f"the text ({Word2VecConfig.data})")
    parser.add_argument("--corpus", type=Path, help="where the encoded text is kept (in the cache)")
    parser.add_argument("--words", type=int, default=0, help="only this many words from its start; 0: all (0)")
    parser.add_argument("--architecture", choices=("skip-gram", "cbow"), default="skip-gram")
    parser.add_argument("--loss", choices=("negative-sampling", "hierarchical-softmax"), default="negative-sampling")
    parser.add_argument("--dimensions", type=int, default=100, help="components of a vector (100)")
    parser.add_argument("--epochs", type=int, default=1, help="passes over the text (1)")
    parser.add_argument("--threads", type=int, default=2, help="of each trainer (2)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the speeds are their medians (3)")
    parser.add_argument("--restrict", type=int, default=30_000, help="analogies use this many words (30,000)")
    return parser.parse_args(argv)


def _benchmark(arguments: argparse.Namespace) -> None:
    corpus = _corpus(arguments.data, arguments.corpus, arguments.words)
    config = Word2VecConfig(
        architecture=arguments.architecture,
        loss=arguments.loss,
        dimensions=arguments.dimensions,
        epochs=arguments.epochs,
    )
    _print_conditions(arguments, config, corpus)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        _write_lines(corpus, text)
        trainers: dict[str, Callable[[], Result]] = {
            "gensim": lambda: _gensim(corpus, text, config, arguments.threads),
            "lectern": lambda: _lectern(corpus, config, arguments.threads),
        }
        _lectern(_part(corpus, 2000), config, 1)  # compiles; not counted
        rounds = []
        for number in range(arguments.rounds):
            order = list(trainers) if number % 2 == 0 else list(trainers)[::-1]
            rounds.append({name: trainers[name]() for name in order})
            speeds = ", ".join(f"{name} {rounds[-1][name].rate:,.0f} words/s" for name in order)
            print(f"round {number + 1} of {arguments.rounds}: {speeds}", file=sys.stderr)
    _print_table(list(trainers), rounds, arguments.restrict)


def _corpus(data: str, folder: Path | None, words: int) -> Corpus:
    encoded = open_corpus(data, CorpusSettings(), folder)
    whole = Corpus(encoded.words, encoded.counts, encoded.ids)
    return _part(whole, words) if words else whole


def _part(corpus: Corpus, words: int) -> Corpus:
    """The first `words` words, with a vocabulary of those that occur at least five times in them."""
    ids = corpus.ids[: int(np.searchsorted(np.cumsum(corpus.ids >= 0), words)) + 1]
    counts = np.bincount(ids[ids >= 0], minlength=len(corpus.words))
    order = np.argsort(-counts, kind="stable")[: int((counts >= Word2VecConfig.min_count).sum())]
    new_ids = np.full(len(counts) + 1, -2, np.int32)
    new_ids[order], new_ids[-1] = np.arange(len(order)), -1
    remapped = new_ids[ids]
    return Corpus([corpus.words[row] for row in order], counts[order], remapped[remapped != -2])


def _write_lines(corpus: Corpus, path: Path) -> None:
    """Write the text as gensim reads it: one sentence per line, none longer than MAX_LINE_LENGTH."""
    ends = np.flatnonzero(corpus.ids < 0)
    with path.open("w", encoding="utf-8") as stream:
        for start, end in zip([0, *(ends + 1)], [*ends, len(corpus.ids)], strict=True):
            for line_start in range(start, end, MAX_LINE_LENGTH):
                line = corpus.ids[line_start : min(line_start + MAX_LINE_LENGTH, end)]
                stream.write(" ".join([corpus.words[word] for word in line]) + "\n")


def _gensim(corpus: Corpus, text: Path, config: Word2VecConfig, threads: int) -> Result:
    hierarchical = config.loss == "hierarchical-softmax"
    model = Word2Vec(
        vector_size=config.dimensions,
        window=config.window,
        sg=config.architecture == "skip-gram",
        hs=hierarchical,
        negative=0 if hierarchical else config.negatives,
        ns_exponent=config.negative_exponent,
        sample=config.sample,
        alpha=config.starting_rate,
        min_alpha=config.min_learning_rate,
        min_count=config.min_count,
        epochs=config.epochs,
        workers=threads,
        seed=config.seed,
    )
    model.build_vocab(corpus_file=str(text))
    assert sorted(model.wv.index_to_key) == sorted(corpus.words), "gensim has another vocabulary"
    start = time.perf_counter()
    model.train(
        corpus_file=str(text),
        # Each of gensim's workers compares its own share with this number; with the number of all sentences the
        # learning rate would never reach its minimum.
        total_examples=model.corpus_count // threads,
        total_words=model.corpus_total_words,
        epochs=config.epochs,
    )
    seconds = time.perf_counter() - start
    vectors = WordVectors(words=list(model.wv.index_to_key), matrix=model.wv.vectors)
    return Result(corpus.total * config.epochs / seconds, vectors)


def _lectern(corpus: Corpus, config: Word2VecConfig, threads: int) -> Result:
    start = time.perf_counter()
    vectors = train_vectors(corpus, config, threads=threads)
    return Result(corpus.total * config.epochs / (time.perf_counter() - start), vectors)


def _print_conditions(arguments: argparse.Namespace, config: Word2VecConfig, corpus: Corpus) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("gensim", "numba", "numpy"))
    negatives = f", {config.negatives} negatives" if config.loss == "negative-sampling" else ""
    print(f"{corpus.total:,} words of {len(corpus.words):,} different ones, {config.epochs} epochs")
    print(
        f"{config.architecture}, {config.loss}{negatives}, {config.dimensions} dimensions, window {config.window}, "
        f"sample {config.sample:g}, learning rate {config.starting_rate:g} to {config.min_learning_rate:g}"
    )
    print(
        f"{arguments.threads} threads each, {arguments.rounds} rounds; "
        f"gensim reads corpus_file, FAST_VERSION {FAST_VERSION}"
    )
    print(f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}\n", flush=True)


def _print_table(names: Sequence[str], rounds: Sequence[dict[str, Result]], restrict: int) -> None:
    """Print median speeds, and the quality over all rounds, which varies on several threads."""
    scores = {name: [evaluate(results[name].vectors, restrict=restrict) for results in rounds] for name in names}
    print(f"{'':8} {'words/s':>10}   of gensim (lowest to highest round)")
    for name in names:
        rate = statistics.median(results[name].rate for results in rounds)
        ratios = [results[name].rate / results[names[0]].rate for results in rounds]
        print(f"{name:8} {rate:10,.0f}   {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    columns = ["analogies", *(score.name for score in scores[names[0]][0].pairs)]
    print("\n" + f"{'':8} " + " ".join(f"{column:>24}" for column in columns) + "   mean (lowest to highest)")
    for name in names:
        cells = [_cell([_quality(score)[column] for score in scores[name]]) for column in range(len(columns))]
        print(f"{name:8} " + " ".join(f"{cell:>24}" for cell in cells))


def _quality(score: Evaluation) -> list[float]:
    accuracy = score.analogies and score.analogies.total.accuracy
    return [accuracy or 0.0, *(pairs.spearman or 0.0 for pairs in score.pairs)]


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    sys.exit(main())
