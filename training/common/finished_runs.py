"""The commands `evaluate` and `export` of every family, for a run or the runs of several seeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from service.output import write
from training.common.config import from_dict
from training.common.device import pick_device, use_threads
from training.common.export import check_fit, check_target
from training.common.family import Experiment, Family, MultiSeed
from training.common.run import Run

if TYPE_CHECKING:  # commands that need no PyTorch run where it is not installed
    import torch

C = TypeVar("C")
D = TypeVar("D")


def evaluate(family: Family[C, D], options: argparse.Namespace) -> int:
    """Evaluate a run, or every run of several seeds."""
    device = pick_device(options.device)
    use_threads(options.threads)
    series = series_of(family, options.run_path)
    folders = [options.run_path] if series is None else series.runs_of(options.run_path)
    runs = [_open(family, folder, options) for folder in folders]
    if options.split is None and runs and family.default_split is not None:
        options.split = family.default_split(runs[0][1])
    evaluate_runs(family, runs, series, device, options)
    return 0


def export(family: Family[C, D], options: argparse.Namespace) -> int:
    """Write a run, or the best of several seeds, as the next version of a bundle."""
    series = series_of(family, options.run_path)
    path = options.run_path if series is None else series.best_run(options.run_path)
    run, experiment = _open(family, path, options)
    return export_run(family, experiment, run, options, announce=series is not None)


def series_of(family: Family[C, D], path: Path, seeds: int = 1) -> MultiSeed[C] | None:
    """The functions for a folder of several runs; None where `path` is a single run."""
    if family.multi_seed is not None and (seeds > 1 or family.multi_seed.is_series(path)):
        return family.multi_seed
    return None


def stored_settings(family: Family[C, D], run: Run) -> C:
    """The settings that a run was trained with."""
    return from_dict(family.config, run.config(family.name), where=str(run.path))


def _open(family: Family[C, D], path: Path, options: argparse.Namespace) -> tuple[Run, Experiment[C, D]]:
    """A run of the family, with its settings and its data."""
    run = Run.open(path, family=family.name)
    config = stored_settings(family, run)
    return run, Experiment(config, lambda stored: family.load_data(family.moved_data(stored, options, path), options))


def evaluate_runs(
    family: Family[C, D],
    runs: Sequence[tuple[Run, Experiment[C, D]]],
    series: MultiSeed[C] | None,
    device: torch.device,
    options: argparse.Namespace,
) -> None:
    """Evaluate runs and print the reports; of several seeds a summary too."""
    results = []
    for run, experiment in runs:
        result = family.evaluate(experiment, run, device, options)
        write(f"{result.report()}\n\npictures: {run.pictures}")
        results.append(result)
    if series is not None:
        write(f"\n{series.summary(options.split, results)}")


def export_run(
    family: Family[C, D], experiment: Experiment[C, D], run: Run, options: argparse.Namespace, *, announce: bool
) -> int:
    """Write a run as the next version of a bundle; `announce` prints that it is the best of several seeds."""
    name = options.name or family.default_name(experiment)
    check_target(name, options.models)
    check_fit(run.path, family.shortcoming(experiment, run), force=options.force)
    if announce:
        write(f"the best on dev: {run.path}")
    write(family.export(experiment, run, name, options))
    return 0
