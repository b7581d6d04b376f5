"""Measures `lectern serve` against the bare floor of floor.py with wrk, in alternating rounds of one run.

    python -m tests.benchmarks.http_floor --rounds 5 --seconds 5

Both are one process each on the same machine with the same model and the same image. README.md says how to read it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from service.bundle.files import Bundle, BundleError
from tests.benchmarks.contenders import BenchmarkError, processor
from tests.benchmarks.http_load import HEADINGS, Wrk, check_labels, newest_bundle, sample_pixels, summary
from tests.benchmarks.http_servers import FLOOR, lectern, running
from tests.benchmarks.side_by_side import alternating, exit_code, print_table


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    arguments = _parse(argv)
    return exit_code("bench", lambda: _benchmark(arguments), (BenchmarkError, BundleError))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the figures are their medians (5)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of load per row and round (5)")
    parser.add_argument("--connections", type=int, default=32, help="connections that wrk keeps busy (32)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the model repository (models)")
    parser.add_argument("--model", default="digits", help="the model to measure (digits)")
    return parser.parse_args(argv)


def _benchmark(arguments: argparse.Namespace) -> None:
    with ExitStack() as stack:
        wrk = Wrk(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        bundle = newest_bundle(arguments.models, arguments.model)
        servers = (FLOOR, lectern(arguments.models, arguments.model))
        pixels = sample_pixels(bundle)
        loads = [load for server in servers for load in stack.enter_context(running(server, bundle, pixels)).loads]
        check_labels(loads, bundle.manifest.labels)
        for load in loads:  # Warm, and not counted.
            wrk.measure(load, arguments.connections, 1)
        rounds = [
            {load.name: wrk.measure(load, arguments.connections, arguments.seconds) for load in order}
            for order in alternating(loads, arguments.rounds)
        ]
    _print_conditions(arguments, bundle, len(loads[0].body))
    floor = loads[0].name
    rows = [(load.name, *summary([(seen[floor], seen[load.name]) for seen in rounds])) for load in loads]
    print_table(("", *HEADINGS), rows)


def _print_conditions(arguments: argparse.Namespace, bundle: Bundle, size: int) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "uvicorn", "fastapi"))
    print(f"{arguments.model}/{bundle.manifest.version}, one image of {size} bytes as JSON; one process each")
    print(f"wrk, {arguments.connections} connections, {arguments.rounds} rounds of {arguments.seconds} s, medians")
    print(f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}\n")


if __name__ == "__main__":
    sys.exit(main())
