"""Trains word2vec by one process and by several that exchange their changes: words per CPU second, and quality.

    LECTERN_DATA=... python -m tests.benchmarks.word2vec_processes --words 8000000 --epochs 3 --processes 1 2

One thread in each process. The processes count their CPU seconds themselves, the exchange included, so that other work
on the machine matters little. On a free machine with as many cores as processes the speed is that rate times their
number, less the waiting for each other.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tests.support.parallel_runs import start_processes
from training.common.data_files import WIKIPEDIA_EN_2015
from training.common.distributed import process_group, summed
from training.common.downloads import fetch_path
from training.common.processes import is_main, process_count
from training.common.vectors import WordVectors
from training.word2vec import exchange
from training.word2vec.chunks import Schedule, train_chunks
from training.word2vec.config import Word2VecConfig
from training.word2vec.data.corpus import CorpusSettings, open_corpus
from training.word2vec.evaluate import evaluate
from training.word2vec.network.cpu_trainer import CpuTrainer

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Way:
    """One way to train: by how many processes, and how their changes are combined."""

    processes: int
    exchange_every: int
    how: str
    """`adaptive`: as training does; `sum`: the changes are added; `root`: and divided by the root of the processes that
    made one; `rows`: and by their number, which is their mean; `all`: the mean over all processes."""

    def __str__(self) -> str:
        if self.processes == 1:
            return "1 process"
        kind = "" if self.how == "adaptive" else f" ({self.how})"
        return f"{self.processes} processes, every {self.exchange_every:,} words{kind}"


def main(argv: Sequence[str] | None = None) -> int:
    """Train in every way and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=8_000_000, help="words from the start of wikipedia-en-2015")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--dimensions", type=int, default=100)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--exchange-every", type=int, nargs="+", default=[Word2VecConfig.exchange_every])
    parser.add_argument("--how", choices=("adaptive", "sum", "root", "rows", "all"), nargs="+", default=["adaptive"])
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker is not None:
        with process_group(CPU):
            _work(options.worker)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        words = _prepare(Path(folder), options.words)
        print(f"{options.words:,} words, {len(words):,} different, {options.epochs} epochs\n")
        print("| | words per CPU second | CPU seconds of the exchange | analogies | WordSim-353 | SimLex-999 | MEN |")
        print("|---|---|---|---|---|---|---|")
        for way in _ways(options):
            print(_row(Path(folder), words, way, options), flush=True)
    return 0


def _ways(options: argparse.Namespace) -> list[Way]:
    alone = [Way(1, Word2VecConfig.exchange_every, "adaptive")] if 1 in options.processes else []
    return alone + [
        Way(processes, every, how)
        for processes in options.processes if processes > 1
        for every in options.exchange_every
        for how in options.how
    ]  # fmt: skip


def _prepare(folder: Path, count: int) -> list[str]:
    """Write the ids and counts of the first words of the text; returns the vocabulary."""
    corpus = open_corpus(str(fetch_path(WIKIPEDIA_EN_2015[0])), CorpusSettings())
    ids = corpus.ids[: int(np.searchsorted(np.cumsum(corpus.ids >= 0), count)) + 1]
    counts = np.bincount(ids[ids >= 0], minlength=len(corpus.words))
    order = np.argsort(-counts, kind="stable")[: int((counts >= Word2VecConfig.min_count).sum())]
    new_ids = np.full(len(counts) + 1, -2, np.int32)
    new_ids[order], new_ids[-1] = np.arange(len(order)), -1
    remapped = new_ids[ids]
    np.save(folder / "ids.npy", remapped[remapped != -2])
    np.save(folder / "counts.npy", counts[order])
    return [corpus.words[row] for row in order]


def _row(folder: Path, words: list[str], way: Way, options: argparse.Namespace) -> str:
    settings = {
        "how": way.how, "exchange_every": way.exchange_every, "epochs": options.epochs, "dimensions": options.dimensions
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(settings))
    command = ["-m", "tests.benchmarks.word2vec_processes", "--worker", str(folder)]
    for process in start_processes(command, way.processes):
        output, _ = process.communicate()
        if process.returncode:
            sys.exit(output)
    counts = np.load(folder / "counts.npy")
    vectors = WordVectors(words=words, matrix=np.load(folder / "vectors.npy"), counts=counts)
    result = evaluate(vectors)
    seconds, exchanging = json.loads((folder / "seconds.json").read_text())
    rate = int(counts.sum()) * options.epochs / seconds
    share = "" if way.processes == 1 else f"{exchanging:.1f} of {seconds:.0f}"
    rho = " | ".join("-" if score.spearman is None else f"{score.spearman:.3f}" for score in result.pairs)
    assert result.analogies is not None
    return f"| {way} | {rate:,.0f} | {share} | {result.analogies.total.accuracy or 0:.3f} | {rho} |"


def _work(folder: Path) -> None:
    """Train in one of the processes; the main one writes the vectors and the CPU seconds of all."""
    torch.set_num_threads(1)
    ids, counts = np.load(folder / "ids.npy"), np.load(folder / "counts.npy")
    settings = json.loads((folder / "settings.json").read_text())
    how = settings.pop("how")
    if how != "adaptive":
        exchange.combined = partial(_combined, how)
    config = Word2VecConfig(**settings)
    schedule = Schedule(config, len(ids))
    trainer = CpuTrainer(counts, config)
    _compile(counts, config, ids)
    clocked = [0.0]
    exchange.combined = _clocked(exchange.combined, clocked)
    start = time.process_time()
    if process_count() == 1:
        train_chunks(trainer, ids, schedule, threads=1)
    else:
        exchange.train_together(
            trainer, ids, schedule, threads=1, start=0, interval=1e9, on_chunk=lambda done, loss: None,
            save=lambda done: None,
        )  # fmt: skip
    seconds = summed(torch.tensor([time.process_time() - start, clocked[0]], dtype=torch.float64))
    if is_main():
        np.save(folder / "vectors.npy", trainer.input_vectors.numpy())
        (folder / "seconds.json").write_text(json.dumps(seconds.tolist()))


def _compile(counts: NDArray[np.int64], config: Word2VecConfig, ids: NDArray[np.int32]) -> None:
    """Have numba compile the kernels, which is not counted."""
    CpuTrainer(counts, config).train_chunk(ids[:1000], 0.025, 0)


def _clocked(combine: Callable[..., list[torch.Tensor]], seconds: list[float]) -> Callable[..., list[torch.Tensor]]:
    """The function with its CPU time added up."""

    def clocked(*arguments: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        start = time.process_time()
        result = combine(*arguments)
        seconds[0] += time.process_time() - start
        return result

    return clocked


def _combined(how: str, before: Sequence[torch.Tensor], vectors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The other ways to combine changes, as `Way.how` has them."""
    result = []
    for shared, trained in zip(before, vectors, strict=True):
        change = trained - shared
        touched = summed((change != 0).any(dim=1).to(change.dtype)).clamp(min=1).unsqueeze(1)
        divisor = {"all": process_count(), "sum": 1, "rows": touched, "root": touched.sqrt()}[how]
        result.append(shared + summed(change) / divisor)
    return result


if __name__ == "__main__":
    sys.exit(main())
