"""Measures `/v1/neighbors` and `/v1/similarity` beside gensim: in process, and over HTTP.

    python tests/benchmarks/vectors.py --bundle models/words-en/2
    python tests/benchmarks/vectors.py --bundle MODELS/million/1 --rounds 3

Each contender is a process with one thread on one core, and all have the same vectors, which gensim gets in float32.
Rounds go through all of them, every other round in the opposite order. README.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import orjson
from contenders import BenchmarkError, Measured, Row, Tags, Worker, cores, processor, worker
from side_by_side import alternating, exit_code, print_table, spread
from tagging_http import Client, server
from vectors_requests import NEIGHBORS, OPERATIONS, requests

from service.bundle.files import BundleError, read_bundle

WORK = Path(__file__).with_name("vectors_work.py")
LEAST_SAME = 0.99
"""Share of the ten nearest words that all must agree on."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("models/words-en/2"), help="(models/words-en/2)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the figures are their medians (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="least seconds per row and round (1)")
    parser.add_argument("--words", type=int, default=64, help="different words that are asked for (64)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8], help="kept busy at a time (1 8)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of words (1)")
    arguments = parser.parse_args(argv)
    return exit_code("bench-vectors", lambda: _benchmark(arguments), (BenchmarkError, BundleError))


def _benchmark(arguments: argparse.Namespace) -> None:
    words = _words(arguments.bundle, arguments.words, arguments.seed)
    measuring, calling = cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        queries = folder / "words.json"
        queries.write_text(json.dumps(words), encoding="utf-8")
        workers: list[Worker] = []
        for contender in ("gensim", "bundle"):
            command = [sys.executable, WORK, contender, arguments.bundle, queries]
            workers.append(stack.enter_context(worker(command, measuring)))
        gensim, ours = (contender.rows for contender in workers)
        same = _share(gensim[0].tags, ours[0].tags)
        serving = stack.enter_context(server(arguments.bundle, folder, measuring))
        http = _http_rows(words, arguments.connections, partial(Client, serving, calling), ours[0].tags)
        rows = [*gensim, *ours, *http]
        rounds = [
            {row.name: row.measure(arguments.seconds) for row in order} for order in alternating(rows, arguments.rounds)
        ]
    print(f"{arguments.bundle}: {len(words)} words, ten nearest of each; {same:.1%} of them the same as gensim's")
    print(f"{arguments.rounds} rounds of {arguments.seconds:g} s or more, medians; one thread on core {measuring} each")
    print("".join(f"{contender.rows[0].name.split(',')[0]}: {contender.about}\n" for contender in workers), end="")
    print(f"server: {serving.about}; its client on core {calling}")
    print(f"{processor()}, {os.cpu_count()} cores\n")
    print_table(("", "a second", "CPU ms each", "of gensim", "of gensim by CPU time"), table_rows(rows, rounds))


def _words(bundle: Path, count: int, seed: int) -> list[str]:
    manifest = read_bundle(bundle)
    vocabulary = manifest.file("vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    chosen = np.random.default_rng(seed).choice(len(vocabulary), min(count, len(vocabulary)), replace=False)
    return [vocabulary[row] for row in chosen]


def _http_rows(
    words: Sequence[str], connections: Sequence[int], client: partial[Client], nearest: Tags | None
) -> list[Row]:
    """A row for each operation and number of connections."""
    rows = []
    for operation in OPERATIONS:
        route, documents = requests(operation, words)
        bodies = [orjson.dumps(document) for document in documents]
        sizes = [len(next(iter(document.values()))) for document in documents]
        caller = client(route=route)
        results = [result for each in caller.answers(bodies) for result in each]
        if operation == NEIGHBORS and _share([[e["word"] for e in r["neighbors"]] for r in results], nearest) < 1:
            raise BenchmarkError("the server's answers are not those of the predictor in process")
        rows += [
            Row(
                name=f"over HTTP, {many} connection{'s' * (many > 1)}, {operation}",
                measure=lambda seconds, caller=caller, bodies=bodies, sizes=sizes, many=many: caller.measure(  # type: ignore[misc]
                    bodies, sizes, many, seconds
                ),
            )
            for many in connections
        ]
    return rows


def _share(expected: Tags | None, actual: Tags | None) -> float:
    """The share of words that are in both of two lists of nearest words, for each query; LEAST_SAME at least."""
    assert expected is not None
    assert actual is not None
    same = float(np.mean([len({*left} & {*right}) / len(left) for left, right in zip(expected, actual, strict=True)]))
    if same < LEAST_SAME:
        raise BenchmarkError(f"only {same:.1%} of the nearest words are the same: these are not the same vectors")
    return same


def table_rows(rows: Sequence[Row], rounds: Sequence[dict[str, Measured]]) -> list[list[str]]:
    """The cells of each row: medians, and the ratios to gensim's row of the same operation in the same round."""
    cells = []
    for operation in OPERATIONS:
        for row in rows:
            if not row.name.endswith(operation):
                continue
            measured = [results[row.name] for results in rounds]
            theirs = [results[f"gensim, {operation}"] for results in rounds]
            rates = [
                (own.words / own.seconds) / (other.words / other.seconds)
                for own, other in zip(measured, theirs, strict=True)
            ]
            costs = [
                (other.cpu / other.words) / (own.cpu / own.words) for own, other in zip(measured, theirs, strict=True)
            ]
            cells.append(
                [
                    row.name,
                    f"{median(each.words / each.seconds for each in measured):,.0f}",
                    f"{median(each.cpu / each.words for each in measured) * 1e3:.3f}",
                    spread(rates),
                    spread(costs),
                ]
            )
    return cells


if __name__ == "__main__":
    sys.exit(main())
