"""Processor time per request of `lectern serve` and of the floor, in alternating rounds of one run.

    python -m tests.benchmarks.http_cpu --rounds 9
    python -m tests.benchmarks.http_cpu --connections 1 --sources ../before .

The processor time of a server's processes depends on what else runs far less than its rate does. README.md says how to
read it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from service.bundle.files import BundleError
from tests.benchmarks.contenders import BenchmarkError, processor
from tests.benchmarks.http_load import Load, Wrk, check_labels, newest_bundle, sample_pixels
from tests.benchmarks.http_servers import FLOOR, HttpServer, Running, lectern, running
from tests.benchmarks.side_by_side import alternating, exit_code, print_table, spread


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds; the figures are their medians (9)")
    parser.add_argument("--seconds", type=int, default=1, help="seconds of load per row and round (1)")
    parser.add_argument("--connections", type=int, default=32, help="connections that wrk keeps busy (32)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the model repository (models)")
    parser.add_argument("--model", default="digits", help="the model to measure (digits)")
    parser.add_argument(
        "--sources", type=Path, nargs="+", default=[Path()], help="working trees of Lectern to compare (this one)"
    )
    arguments = parser.parse_args(argv)
    return exit_code("http_cpu", lambda: _benchmark(arguments), (BenchmarkError, BundleError))


def _benchmark(arguments: argparse.Namespace) -> None:
    with ExitStack() as stack:
        wrk = Wrk(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        bundle = newest_bundle(arguments.models, arguments.model)
        pixels = sample_pixels(bundle)
        servers = [FLOOR, *(_of_sources(arguments, source) for source in arguments.sources)]
        rows: list[tuple[str, Load, Running]] = []
        for server in servers:
            process = stack.enter_context(running(server, bundle, pixels))
            mark = f" ({server.name})" if len(arguments.sources) > 1 and server is not FLOOR else ""
            rows += [(load.name + mark, load, process) for load in process.loads]
        check_labels([replace(load, name=name) for name, load, _ in rows], bundle.manifest.labels)
        for _, load, _ in rows:  # Warm, and not counted.
            wrk.measure(load, arguments.connections, 1)
        seen: dict[str, list[float]] = {name: [] for name, _, _ in rows}
        for order in alternating(rows, arguments.rounds):
            for name, load, process in order:
                before = process.processor_seconds()
                measured = wrk.measure(load, arguments.connections, arguments.seconds)
                spent = process.processor_seconds() - before
                seen[name].append(1e6 * spent / (measured.rate * arguments.seconds))
    print(f"wrk, {arguments.connections} connections, {arguments.rounds} rounds of {arguments.seconds} s, medians")
    print(f"{processor()}, {os.cpu_count()} cores\n")
    floor = seen[rows[0][0]]
    print_table(("", "µs of a processor", "lowest", "of the floor's"), [_row(name, seen[name], floor) for name in seen])


def _of_sources(arguments: argparse.Namespace, source: Path) -> HttpServer:
    """`lectern serve` of a working tree."""
    server = lectern(arguments.models.resolve(), arguments.model)
    # Inline even if the machine was too busy at the start to show how quick the model is.
    environment = {**server.environment, "PYTHONPATH": str(source.resolve()), "LECTERN_INLINE": "always"}
    # -P: not the modules of the working folder.
    command = (sys.executable, "-P", "-m", "service", "serve")
    return replace(server, name=str(source), command=command, environment=environment)


def _row(name: str, seen: list[float], floor: list[float]) -> tuple[str, ...]:
    ratios = [value / least for value, least in zip(seen, floor, strict=True)]
    return name, f"{statistics.median(seen):.0f}", f"{min(seen):.0f}", spread(ratios)


if __name__ == "__main__":
    sys.exit(main())
