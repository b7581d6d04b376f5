"""Measures part-of-speech taggers on English EWT with gold tokens: Lectern in process and over HTTP, PyTorch, spaCy.

    python tests/benchmarks/tagging.py train-spacy runs/spacy --spacy-python SPACY/bin/python
    python tests/benchmarks/tagging.py measure --bundle models/pos-en/4 --run runs/pos --spacy runs/spacy \\
        --spacy-python SPACY/bin/python

spaCy has an environment of its own: python3 -m venv SPACY && SPACY/bin/pip install spacy. README.md says how to read
what is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from contenders import ONE_THREAD, BenchmarkError, Measured, Row, Tags, Worker, cores, processor, worker
from side_by_side import alternating, exit_code, print_table, spread
from tagging_http import Client, server

from service.bundle.files import BundleError, read_bundle
from service.bundle.manifest import Task
from training.bilstm_crf.config import FAMILY, DataConfig
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.data.sources import load_data
from training.bilstm_crf.metrics import accuracy
from training.bilstm_crf.multi_seed import best_run
from training.common.data_files import UD_ENGLISH_EWT
from training.common.downloads import fetch
from training.common.errors import UserError
from training.common.run import Run
from training.common.vectors.loading import load_vectors_from

HERE = Path(__file__).parent
WORK: list[str | Path] = [sys.executable, HERE / "tagging_work.py"]
MOST_DIFFERENT = 0.005
PROGRAM = ["python", "tests/benchmarks/tagging.py"]
INSTALL = (
    "make an environment for it: python3 -m venv runs/spacy-venv && runs/spacy-venv/bin/pip install spacy; then give "
    "--spacy-python runs/spacy-venv/bin/python"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Train spaCy's tagger, or measure; returns the exit code."""
    arguments = _parse(argv)
    return exit_code("bench", lambda: arguments.run_command(arguments), (BenchmarkError, BundleError, UserError))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("train-spacy", help="train spaCy's tagger on EWT, from scratch")
    command.add_argument("folder", type=Path, help="where it is kept")
    command.add_argument("--vectors", type=Path, help="word vectors that spaCy's network reads too: a word2vec run, …")
    command.add_argument("--optimize", choices=("efficiency", "accuracy"), default="efficiency", help="spaCy's recipe")
    command.set_defaults(run_command=_train_spacy)
    measuring = commands.add_parser("measure", help="speed and accuracy, side by side")
    measuring.add_argument("--bundle", type=Path, required=True, help="the model, as models/pos-en/4")
    measuring.add_argument("--run", type=Path, help="the run, or runs, it was exported from: measures PyTorch too")
    measuring.add_argument("--spacy", type=Path, nargs="*", default=[], help="folders of train-spacy")
    measuring.add_argument("--split", choices=("dev", "test"), default="dev", help="which sentences (dev)")
    measuring.add_argument("--sentences", type=int, default=0, help="only the first so many; 0: all (0)")
    measuring.add_argument("--batch", type=int, default=64, help="sentences in a batch and a request (64)")
    measuring.add_argument(
        "--spacy-batch", type=int, default=0, help="sentences in a batch of spaCy; 0: its default (0)"
    )
    measuring.add_argument("--connections", type=int, nargs="*", default=[1, 4], help="of the HTTP client (1 4)")
    measuring.add_argument("--rounds", type=int, default=5, help="rounds; the figures are their medians (5)")
    measuring.add_argument("--seconds", type=float, default=2, help="least time per row and round (2)")
    measuring.set_defaults(run_command=_measure)
    for each in (command, measuring):
        each.add_argument("--spacy-python", help="a Python that has spaCy (this one)")
    return parser.parse_args(argv)


def _spacy_python(arguments: argparse.Namespace) -> str:
    """A Python that imports spaCy."""
    python = arguments.spacy_python
    if python is None:
        if importlib.util.find_spec("spacy") is None:
            raise BenchmarkError(f"spaCy is not installed here; {INSTALL}")
        return sys.executable
    try:
        result = subprocess.run([python, "-c", "import spacy"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchmarkError(f"--spacy-python {python}: {error.strerror}; {INSTALL}") from error
    if result.returncode:
        raise BenchmarkError(f"{python} has no spaCy ({result.stderr.strip().splitlines()[-1]}); {INSTALL}")
    return str(python)


def _train_spacy(arguments: argparse.Namespace) -> None:
    python = _spacy_python(arguments)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    splits = load_data(DataConfig(data="ewt")).splits
    for split in ("train", "dev"):
        _write(splits[split], folder / f"{split}.jsonl")
    if arguments.vectors:
        vectors = load_vectors_from(arguments.vectors)
        np.save(folder / "vectors.npy", vectors.matrix)
        (folder / "vectors.txt").write_text("".join(f"{word}\n" for word in vectors.words), encoding="utf-8")
    command = [python, HERE / "spacy_ewt.py", "train", folder, "--optimize", arguments.optimize]
    if subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode:
        raise BenchmarkError("spaCy's training failed; its message is above")


def _check(arguments: argparse.Namespace) -> None:
    """Raise where a model that is named is not there or cannot be measured, before anything takes its time."""
    bundle = read_bundle(arguments.bundle)
    if bundle.manifest.task is not Task.TOKEN_CLASSIFICATION or bundle.manifest.preprocessing["kind"] != "tags":
        raise BenchmarkError(f"{arguments.bundle}: is no tagger of parts of speech; name one, as models/pos-en/4")
    if arguments.run:
        Run.open(best_run(arguments.run), family=FAMILY)
    for folder in arguments.spacy:
        if not (folder / "model-best").is_dir():
            raise BenchmarkError(f"{folder}: has no model-best; train it: {' '.join(PROGRAM)} train-spacy {folder}")


def _measure(arguments: argparse.Namespace) -> None:
    _check(arguments)
    sentences, texts = _sentences(arguments.split, arguments.sentences)
    true: Tags = [list(sentence.tags) for sentence in sentences]
    tagging, calling = cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "sentences.jsonl"
        _write(sentences, file)
        batch = ["--batch", str(arguments.batch)]
        workers: list[Worker] = []
        for command in _commands(arguments, file, batch):
            workers.append(stack.enter_context(worker(command, tagging)))
            print(f"ready: {workers[-1].rows[0].name}", file=sys.stderr)
        rows = [row for contender in workers for row in contender.rows]
        serving = stack.enter_context(server(arguments.bundle, folder, tagging))
        client = Client(serving, calling)
        for field, items in (("tokens", [list(sentence.words) for sentence in sentences]), ("texts", texts)):
            batches = [items[start : start + arguments.batch] for start in range(0, len(items), arguments.batch)]
            rows += client.rows(field, batches, arguments.connections)
        _check_same(rows)
        rounds = [
            {id(row): row.measure(arguments.seconds) for row in order} for order in alternating(rows, arguments.rounds)
        ]
    words = sum(map(len, true))
    print(f"EWT {arguments.split}, {len(true):,} sentences, {words:,} words, gold tokens, {arguments.batch} in a batch")
    print(f"{arguments.rounds} rounds of {arguments.seconds:g} s or more, medians; one thread on core {tagging} each")
    for contender in workers:
        print(f"{contender.rows[0].name.split(',')[0]}: {contender.about}")
    print(
        f"server: {serving.about}; its client on core {calling}, busy there for up to {client.busiest:.0%} of the time"
    )
    print(f"{processor()}, {os.cpu_count()} cores\n")
    print_table(
        ("", "words/s", "per CPU s", "new words", "accuracy", "of the first row"), table_rows(rows, rounds, true)
    )


def _check_same(rows: Sequence[Row]) -> None:
    """Raise unless Lectern's rows, in process and over HTTP, and PyTorch's found the same tags, but for a few."""
    ours = [row for row in rows if row.tags is not None and not row.name.startswith("spaCy")]
    for row in ours[1:]:
        assert row.tags is not None
        assert ours[0].tags is not None
        same = accuracy(ours[0].tags, row.tags)
        print(f"the tags of {row.name!r} differ from those of {ours[0].name!r} in {1 - same:.3%}", file=sys.stderr)
        if same < 1 - MOST_DIFFERENT:
            raise BenchmarkError("the answers differ: is --run the run that --bundle was exported from?")


def _commands(arguments: argparse.Namespace, file: Path, batch: Sequence[str]) -> list[list[str | Path]]:
    """How each contender's process is started, spaCy first: it is what the others are held against."""
    commands: list[list[str | Path]] = []
    if arguments.spacy:
        python = _spacy_python(arguments)
        own = ["--batch", str(arguments.spacy_batch)]
        commands += [[python, HERE / "spacy_ewt.py", "work", path, file, *own] for path in arguments.spacy]
    if arguments.run:
        commands.append([*WORK, "run", best_run(arguments.run), file, *batch])
    commands.append([*WORK, "bundle", arguments.bundle, file, *batch])
    return commands


def _sentences(split: str, most: int) -> tuple[list[Sentence], list[str]]:
    """Sentences with their tags, and as they were written."""
    sentences = load_data(DataConfig(data="ewt")).splits[split]
    texts = re.findall(r"^# text = (.*)$", fetch(UD_ENGLISH_EWT[split]).decode(), re.MULTILINE)
    assert len(texts) == len(sentences)
    return (sentences[:most], texts[:most]) if most else (sentences, texts)


def _write(sentences: Sequence[Sentence], path: Path) -> None:
    lines = [json.dumps({"words": sentence.words, "tags": sentence.tags}) + "\n" for sentence in sentences]
    path.write_text("".join(lines), encoding="utf-8")


def table_rows(rows: Sequence[Row], rounds: Sequence[dict[int, Measured]], true: Tags) -> list[list[str]]:
    """The cells of each row: median speeds, their ratios to the first row's within each round, and accuracy."""
    base = [measured[id(rows[0])].words / measured[id(rows[0])].seconds for measured in rounds]
    cells = []
    for row in rows:
        results = [measured[id(row)] for measured in rounds]
        speeds = [result.words / result.seconds for result in results]
        cells.append(
            [
                row.name,
                f"{statistics.median(speeds):,.0f}",
                f"{statistics.median(result.words / max(result.cpu, 1e-9) for result in results):,.0f}",
                "" if row.first is None else f"{row.first:,.0f}",
                "" if row.tags is None else f"{accuracy(true, row.tags):.2%}",
                spread([speed / reference for speed, reference in zip(speeds, base, strict=True)]),
            ]
        )
    return cells


if __name__ == "__main__":
    sys.exit(main())
