"""Measures a translator: `lectern serve` on one core over HTTP beside PyTorch, one sentence at a time.

    python tests/benchmarks/translation.py --bundle models/translate-en-de/7 --compile
    python tests/benchmarks/translation.py --bundle models/translate-en-de/7 --run runs/en-de

README.md says how to read what is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import orjson
from contenders import BenchmarkError, Measured, Row, Tags, cores, processor, worker
from side_by_side import alternating, exit_code, print_table, spread
from tagging_http import Client, server

from service.bundle.files import BundleError, read_bundle
from service.bundle.manifest import Manifest, Task
from service.tasks.translation.text import TranslationPreprocessing
from training.common.errors import UserError
from training.common.run import Run
from training.seq2seq.config import FAMILY, stored_config
from training.seq2seq.data.sources import load_data
from training.seq2seq.initialization import initial_config

MIN_EQUAL = 0.6
"""Share of sentences that must be translated alike, or the run is another than the bundle's."""
MAX_DIFFERENCES = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="the model, as models/translate-en-de/7")
    parser.add_argument(
        "--run", type=Path, help="the run it was exported from, for PyTorch's weights (the bundle's own)"
    )
    parser.add_argument("--compile", action="store_true", help="measure greedy search by torch.compile too")
    parser.add_argument("--text", type=Path, help="sentences, one a line; else those that the run's data hold out")
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="which of them (dev)")
    parser.add_argument("--sentences", type=int, default=200, help="how many (200)")
    parser.add_argument("--beam-size", type=int, default=5, help="the beam beside greedy search (5)")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 32], help="of the HTTP client (1 32)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the figures are their medians (5)")
    parser.add_argument("--seconds", type=float, default=5, help="least time per row and round (5)")
    options = parser.parse_args(argv)
    return exit_code("bench", lambda: _measure(options), (BenchmarkError, BundleError, UserError))


def _measure(options: argparse.Namespace) -> None:
    manifest = read_bundle(options.bundle).manifest
    if manifest.task is not Task.TRANSLATION:
        raise BenchmarkError(f"{options.bundle}: is no translator; name one, as models/translate-en-de/7")
    sentences = _sentences(options)
    serving_core, calling_core = cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        searches: dict[str, list[Row]] = {"greedy": [], f"beam {options.beam_size}": []}
        process = stack.enter_context(worker(_command(options, manifest, sentences, folder), serving_core))
        print(f"PyTorch: {process.about}")
        for rows, row in zip(searches.values(), process.rows, strict=False):
            rows.append(row)
        searches["greedy"] += process.rows[2:]
        serving = stack.enter_context(server(options.bundle, folder, serving_core))
        client = Client(serving, calling_core, "/v1/translate")
        for (name, rows), beam_size in zip(searches.items(), (1, options.beam_size), strict=True):
            rows += _http_rows(client, name, sentences, beam_size, options.connections)
            _check_same(rows)
        rows = [row for search_rows in searches.values() for row in search_rows]
        rounds = [
            {id(row): row.measure(options.seconds) for row in order} for order in alternating(rows, options.rounds)
        ]
    print(
        f"server: {serving.about}; its client on core {calling_core}, busy there for up to {client.busiest:.0%} of the "
        f"time\n{len(sentences)} sentences; {processor()}, {os.cpu_count()} cores\n"
    )
    headings = ("", "sentences/s", "per CPU s", "of the search's first row", "of it by CPU time")
    print_table(headings, [cells for rows in searches.values() for cells in table_rows(rows, rounds)])


def _sentences(options: argparse.Namespace) -> list[str]:
    if options.text:
        lines = options.text.read_text(encoding="utf-8").splitlines()
    else:
        config = stored_config(Run.open(options.run, family=FAMILY)) if options.run else initial_config(options.bundle)
        lines = [pair.source for pair in load_data(replace(config.data, extra="", in_domain="")).splits[options.split]]
    sentences = [sentence.strip() for sentence in lines if sentence.strip()][: options.sentences]
    if not sentences:
        raise BenchmarkError("there are no sentences to translate")
    return sentences


def _command(
    options: argparse.Namespace, manifest: Manifest, sentences: Sequence[str], folder: Path
) -> list[str | Path]:
    """How PyTorch's process is started; it searches as the bundle's manifest says."""
    settings = TranslationPreprocessing.model_validate(manifest.preprocessing)
    file = folder / "sentences.json"
    file.write_text(json.dumps(sentences), encoding="utf-8")
    penalties = [f"--{name}-penalty={getattr(settings, f'{name}_penalty')}" for name in ("length", "coverage")]
    script = Path(__file__).with_name("translation_work.py")
    weights = options.run or options.bundle
    compiled = ["--compile"] if options.compile else []
    return [sys.executable, script, weights, file, f"--beam-size={options.beam_size}", *penalties, *compiled]


def _http_rows(
    client: Client, name: str, sentences: Sequence[str], beam_size: int, connections: Sequence[int]
) -> list[Row]:
    """A row for each number of connections; every request has one sentence."""
    bodies = [orjson.dumps({"text": sentence, "beam_size": beam_size}) for sentence in sentences]
    answers: Tags = [[results[0]["text"]] for results in client.answers(bodies)]
    counts = [1] * len(bodies)
    return [
        Row(
            name=f"HTTP, {name}, {many} client{'s' * (many > 1)}",
            measure=lambda seconds, many=many: client.measure(bodies, counts, many, seconds),  # type: ignore[misc]
            tags=answers,
        )
        for many in connections
    ]


def _check_same(rows: Sequence[Row]) -> None:
    """Raise unless the rows of one search, PyTorch's among them, have mostly the same translations."""
    first, last = rows[0].tags, rows[-1].tags
    assert first is not None
    assert last is not None
    different = [(ours[0], other[0]) for ours, other in zip(first, last, strict=True) if ours != other]
    equal = 1 - len(different) / len(first)
    print(f"{rows[0].name!r} and {rows[-1].name!r} translate {equal:.1%} of the sentences alike", file=sys.stderr)
    for one, other in different[:MAX_DIFFERENCES]:
        print(f"    {one}\n    {other}", file=sys.stderr)
    if equal < MIN_EQUAL:
        raise BenchmarkError("the translations differ: is --run the run that --bundle was exported from?")


def table_rows(rows: Sequence[Row], rounds: Sequence[dict[int, Measured]]) -> list[list[str]]:
    """The cells of the rows of one search: median speeds, and their ratios to the first row's within each round."""
    cells = []
    for row in rows:
        pairs = [(measured[id(row)], measured[id(rows[0])]) for measured in rounds]
        by_clock = [(one.words / one.seconds, first.words / first.seconds) for one, first in pairs]
        by_cpu = [(one.words / max(one.cpu, 1e-9), first.words / max(first.cpu, 1e-9)) for one, first in pairs]
        speeds = [f"{statistics.median(speed for speed, _ in pairs):,.1f}" for pairs in (by_clock, by_cpu)]
        cells.append(
            [row.name, *speeds, *(spread([one / first for one, first in pairs]) for pairs in (by_clock, by_cpu))]
        )
    return cells


if __name__ == "__main__":
    sys.exit(main())
