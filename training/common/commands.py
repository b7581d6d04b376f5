"""The commands `train`, `evaluate` and `export` of every family; the training loops are the families' own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from service.bundle.write_errors import remedy
from service.output import write
from training.common.config import add_options, from_dict, settings_from_options, to_dict
from training.common.device import pick_device, use_threads
from training.common.epochs import settle_epochs
from training.common.errors import UserError
from training.common.export import check_fit, check_name, check_target, export_checks
from training.common.family import Experiment, Family, MultiSeed
from training.common.interrupts import Interrupted, interrupts
from training.common.options import (
    add_finished_run_option,
    add_force_option,
    add_machine_options,
    add_new_run_options,
    check_resume,
    positive,
    wants_export,
)
from training.common.run import Run

if TYPE_CHECKING:  # commands that need no PyTorch run where it is not installed
    import torch

C = TypeVar("C")
D = TypeVar("D")


def configure(parser: argparse.ArgumentParser, family: Family[C, D]) -> None:
    """Add the family's commands to its parser."""
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    training = commands.add_parser("train", help="train, or continue a run that was stopped")
    training.set_defaults(command_function=partial(train, family))
    add_new_run_options(training, family.presets)
    if family.multi_seed is not None:
        training.add_argument(
            "--seeds", type=positive, default=1, metavar="N", help="train N times, with N seeds: mean and deviation"
        )
    family.add_train_options(training)
    training.add_argument("--export", action="store_true", help="export the model after training (implied by --name)")
    family.add_export_options(training)
    add_force_option(training)
    add_machine_options(training)
    add_options(training.add_argument_group("settings"), family.config, family.presets["default"])

    if family.evaluate_help:
        evaluation = commands.add_parser("evaluate", help=family.evaluate_help)
        evaluation.set_defaults(command_function=partial(evaluate, family))
        add_finished_run_option(evaluation, family.run_help)
        family.add_evaluate_options(evaluation)
        add_machine_options(evaluation)
        family.add_moved_data_options(evaluation)

    exporting = commands.add_parser("export", help=family.export_help)
    exporting.set_defaults(command_function=partial(export, family))
    add_finished_run_option(exporting, family.run_help)
    family.add_export_options(exporting)
    add_force_option(exporting)
    family.add_moved_data_options(exporting)
    family.add_commands(commands)


def run_command(options: argparse.Namespace) -> int:
    """Call the command that was chosen; an error of the user becomes its text and exit code 2."""
    try:
        with interrupts():
            code: int = options.command_function(options)
            return code
    except UserError as error:
        print(f"lectern-train: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # Nobody reads the output any more.
        raise
    except OSError as error:
        print(f"lectern-train: {_describe(error)}", file=sys.stderr)
        return 1
    except Interrupted as error:
        print(f"lectern-train: interrupted ({error})", file=sys.stderr)
        return error.code


def _describe(error: OSError) -> str:
    """Path, cause and remedy of an error of the file system, in one line."""
    path = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    return "; ".join(
        filter(None, [f"{path}{error.strerror or error}", remedy(error), *getattr(error, "__notes__", [])])
    )


def train(family: Family[C, D], options: argparse.Namespace) -> int:
    """Train a run, or continue one; evaluate it; export it if asked to."""
    config, seeds = _settings(family, options)
    experiment = Experiment(config, lambda settings: family.load_data(settings, options))
    export_requested = wants_export(options)
    if export_requested:
        if options.name is not None:
            check_name(options.name)
        family.check_settings(experiment, options)
    device = pick_device(options.device)
    use_threads(options.threads)
    path = options.resume or options.run_path or Path("runs") / f"{family.name}-{datetime.now():%Y%m%d-%H%M%S}"
    notes: list[str] = []
    if options.resume is None:
        preset = family.presets[options.preset or "default"]
        experiment, notes = settle_epochs(family, experiment, preset, settings_from_options(options, family.config))
        config = experiment.config
    description = [*family.describe_data(experiment), *notes]
    with export_checks(required=export_requested):
        family.check_data(experiment, options)
    if export_requested:
        check_target(options.name or family.default_name(experiment), options.models)
    series = _series(family, path, seeds)
    runs = [(path, config)] if series is None else series.create(path, config, seeds)
    for folder, settings in runs:
        seed_experiment = experiment.with_config(settings)
        code = _train_run(family, seed_experiment, folder, description, device, options.threads, resume=path)
        if code:
            return code
    trained = [(Run(folder), experiment.with_config(settings)) for folder, settings in runs]
    try:
        for split in family.final_splits(experiment):
            _evaluate_runs(family, trained, series, device, _evaluate_options(family, split))
        if not export_requested:
            return 0
        best = path if series is None else series.best_run(path)
        run, experiment = next(pair for pair in trained if pair[0].path == best)
        return _export_run(family, experiment, run, options, announce=series is not None)
    except OSError as error:
        command = "export" if export_requested else "evaluate"
        error.add_note(f"the run is trained; go on with: lectern-train {family.name} {command} --run {path}")
        raise


def evaluate(family: Family[C, D], options: argparse.Namespace) -> int:
    """Evaluate a run, or every run of several seeds."""
    device = pick_device(options.device)
    use_threads(options.threads)
    series = _series(family, options.run_path)
    folders = [options.run_path] if series is None else series.runs_of(options.run_path)
    runs = [_open(family, folder, options) for folder in folders]
    if options.split is None and runs and family.default_split is not None:
        options.split = family.default_split(runs[0][1])
    _evaluate_runs(family, runs, series, device, options)
    return 0


def export(family: Family[C, D], options: argparse.Namespace) -> int:
    """Write a run, or the best of several seeds, as the next version of a bundle."""
    series = _series(family, options.run_path)
    path = options.run_path if series is None else series.best_run(options.run_path)
    run, experiment = _open(family, path, options)
    return _export_run(family, experiment, run, options, announce=series is not None)


def _settings(family: Family[C, D], options: argparse.Namespace) -> tuple[C, int]:
    """The settings to train with, and the number of seeds.

    A new run takes a preset with the options on the command line, a resumed run its stored settings.
    """
    changes = settings_from_options(options, family.config)
    seeds: int = getattr(options, "seeds", 1)
    if options.resume is None:
        return family.settings(family.presets[options.preset or "default"], changes), seeds
    check_resume(options, [*changes, *(["seeds"] if seeds > 1 else [])])
    series = _series(family, options.resume)
    if series is not None:
        return series.stored(options.resume)
    return _stored_settings(family, Run.open(options.resume, family=family.name)), 1


def _series(family: Family[C, D], path: Path, seeds: int = 1) -> MultiSeed[C] | None:
    """The functions for a folder of several runs; None where `path` is a single run."""
    if family.multi_seed is not None and (seeds > 1 or family.multi_seed.is_series(path)):
        return family.multi_seed
    return None


def _stored_settings(family: Family[C, D], run: Run) -> C:
    return from_dict(family.config, run.config(family.name), where=str(run.path))


def _open(family: Family[C, D], path: Path, options: argparse.Namespace) -> tuple[Run, Experiment[C, D]]:
    """A run of the family, with its settings and its data."""
    run = Run.open(path, family=family.name)
    config = _stored_settings(family, run)
    return run, Experiment(config, lambda stored: family.load_data(family.moved_data(stored, options, path), options))


def _train_run(
    family: Family[C, D],
    experiment: Experiment[C, D],
    path: Path,
    description: Sequence[str],
    device: torch.device,
    threads: int,
    *,
    resume: Path,
) -> int:
    """Train one run; returns the exit code, which is not 0 where it was interrupted.

    Args:
        family: the family.
        experiment: settings and data.
        path: the run's directory; it is made, or continued where it exists.
        description: lines about the data for the log.
        device: where to compute.
        threads: CPU threads; 0 for the default.
        resume: the directory to name in the hint after an interruption.
    """
    run = Run.create(path, family=family.name, config=to_dict(experiment.config))
    log = run.logger()
    try:
        log.info("%s; run %s", description[0], path)
        for line in description[1:]:
            log.info("%s", line)
        family.train(experiment, run, device, threads)
    except Interrupted as error:
        log.info(
            "stopped (%s); the last checkpoint is kept. Go on with: lectern-train %s train --resume %s",
            error, family.name, resume,
        )  # fmt: skip
        return error.code
    except OSError as error:
        if (run.checkpoints / "last.pt").exists():
            error.add_note(
                f"the last whole checkpoint is kept; go on with: lectern-train {family.name} train --resume {resume}"
            )
        raise
    finally:
        run.close()
    return 0


def _evaluate_options(family: Family[C, D], split: str) -> argparse.Namespace:
    """The default values of the options of the evaluate command, for a split."""
    parser = argparse.ArgumentParser()
    family.add_evaluate_options(parser)
    return parser.parse_args([], argparse.Namespace(split=split))


def _evaluate_runs(
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


def _export_run(
    family: Family[C, D], experiment: Experiment[C, D], run: Run, options: argparse.Namespace, *, announce: bool
) -> int:
    name = options.name or family.default_name(experiment)
    check_target(name, options.models)
    check_fit(run.path, family.shortcoming(experiment, run), force=options.force)
    if announce:
        write(f"the best on dev: {run.path}")
    write(family.export(experiment, run, name, options))
    return 0
