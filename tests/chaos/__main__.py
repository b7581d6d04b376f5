"""Runs every scenario in turn, and prints all figures with their bars in one table at the end.

    python -m tests.chaos                     # about two minutes a scenario
    python -m tests.chaos --full              # as long as the bars ask for
    python -m tests.chaos --only overload worker_kill

The exit code is 1 if a figure missed its bar, or if a scenario ended without one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.support.bars import FIGURES_FILE, Figure

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A program that prints figures by `tests.support.bars.Report`."""

    name: str
    module: str
    short: tuple[str, ...] = ()
    """Its arguments for about two minutes."""
    full: tuple[str, ...] = ("--full",)
    """Its arguments where the bar asks for longer."""


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(name="workers", module="tests.chaos.workers"),
    Scenario(name="drain", module="tests.chaos.drain"),
    Scenario(name="resources", module="tests.chaos.resources"),
    Scenario(name="clock", module="tests.chaos.clock"),
    Scenario(name="hostile_bodies", module="tests.benchmarks.hostile_bodies", short=("--rounds", "1"), full=()),
    Scenario(
        name="reload_under_load",
        module="tests.benchmarks.reload_under_load",
        short=("--reloads", "3", "--seconds", "5"),
        full=(),
    ),
    Scenario(name="overload", module="tests.benchmarks.overload", short=("--seconds", "2"), full=()),
    Scenario(name="memory_sizes", module="tests.benchmarks.memory_sizes"),
    Scenario(name="memory_reload", module="tests.benchmarks.memory_reload"),
    Scenario(name="memory_failures", module="tests.benchmarks.memory_failures", short=("--requests", "500"), full=()),
    Scenario(name="memory_pictures", module="tests.benchmarks.memory_pictures"),
    Scenario(name="worker_start", module="tests.benchmarks.worker_start", short=("--rounds", "2"), full=()),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios that were asked for; return the exit code."""
    options = _parse(arguments)
    results = {scenario.name: _run(scenario, full=options.full) for scenario in _chosen(options.only)}
    print("\n== all figures")
    failed = not results
    for name, (code, figures) in results.items():
        for figure in figures:
            print(f"{name:18} {figure}")
        if code:
            failed = True
        if code and all(figure.passed for figure in figures):
            print(f"{name:18} FAILED exit code {code}")
    return int(failed)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="as long as the bars ask for")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    return parser.parse_args(arguments)


def _chosen(names: Sequence[str] | None) -> list[Scenario]:
    return [scenario for scenario in SCENARIOS if names is None or scenario.name in names]


def _run(scenario: Scenario, *, full: bool) -> tuple[int, list[Figure]]:
    """The exit code of a scenario, and its figures; one that measured nothing has failed."""
    if find_spec(scenario.module) is None:
        print(f"== {scenario.name}: there is no module {scenario.module}", flush=True)
        return 1, []
    print(f"== {scenario.name}", flush=True)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.jsonl"
        path.touch()
        command = [sys.executable, "-m", scenario.module, *(scenario.full if full else scenario.short)]
        code = subprocess.run(command, cwd=ROOT, check=False, env=os.environ | {FIGURES_FILE: str(path)}).returncode
        figures = [Figure(**json.loads(line)) for line in path.read_text().splitlines()]
    print(f"   {scenario.name}: exit code {code}, {time.monotonic() - begin:.0f} s", flush=True)
    return code if figures else code or 1, figures


if __name__ == "__main__":
    sys.exit(main())
